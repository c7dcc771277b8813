def measure_all(*_): return []

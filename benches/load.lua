-- What wrk sends for one work of scripts/bench, and what it says at the end: one line of JSON.
--
--   wrk .. -s benches/load.lua URL -- PLAN.lua
--
-- A plan is a table of kinds of requests: {share, path, headers, body}, or for bodies that differ {.., before, bodies | made_up,
-- after, again}. `bodies` names a file with a line for each; when they are used up, that is a failure unless they may be used `again`.
-- `made_up` numbers them. With `hashes` each answer is looked at: 503 is one too, and whoever gets it comes back a second later, as
-- Retry-After says. Of the first `skip` seconds nothing is counted: not before every connection waits is it as it will stay.

local ffi = require("ffi")
ffi.cdef [[ typedef struct { long s; long ns; } instant; int clock_gettime(int clock, instant *at); ]]
local at = ffi.new("instant")
local function now()
    ffi.C.clock_gettime(1, at) -- CLOCK_MONOTONIC
    return tonumber(at.s) + tonumber(at.ns) / 1e9
end

local threads = {}
function setup(thread) table.insert(threads, thread) end

-- Of each thread; `done` reads them from outside.
started, last, good, turned_away, failed, used, exhausted = 0, 0, 0, 0, 0, 0, 0
local pauses = 0

local function lines(name)
    local all = {}
    for line in io.lines(name) do table.insert(all, line) end
    return all
end

local function maker(kind)
    if kind.body then
        local whole = wrk.format("POST", kind.path, kind.headers, kind.body)
        return function() return whole end
    end
    local length, bodies = nil, nil
    if kind.bodies then
        bodies = lines(kind.bodies)
    else
        length = #kind.before + #kind.made_up + 9 + #kind.after
    end
    -- wrk.format is slow: the head of numbered ones is always the same, and is made once.
    local head = length and wrk.format("POST", kind.path, kind.headers, string.rep("x", length)):sub(1, -length - 1)
    local n = 0
    return function()
        n = n + 1
        if length then return head .. kind.before .. kind.made_up .. string.format("%09d", n) .. kind.after end
        if n > #bodies then
            if not kind.again then exhausted = 1 end
            n = 1
        end
        if not kind.again then used = used + 1 end
        return wrk.format("POST", kind.path, kind.headers, kind.before .. bodies[n] .. kind.after)
    end
end

function init(args)
    local plan = dofile(args[1])
    started = now() + (plan.skip or 0)
    if not plan.kinds then return end -- GET
    if #plan.kinds == 1 and plan.kinds[1].body then -- the same bytes again and again: wrk needs no Lua
        local kind = plan.kinds[1]
        wrk.method, wrk.body, wrk.path = "POST", kind.body, kind.path
        for name, value in pairs(kind.headers) do wrk.headers[name] = value end
        return
    end
    local makers, sum = {}, 0
    for _, kind in ipairs(plan.kinds) do
        sum = sum + kind.share
        table.insert(makers, { share = kind.share, owed = 0, make = maker(kind) })
    end
    function request() -- whose turn it is: as even as shares can be, and no chance in it
        local next = makers[1]
        for _, m in ipairs(makers) do
            m.owed = m.owed + m.share
            if m.owed > next.owed then next = m end
        end
        next.owed = next.owed - sum
        return next.make()
    end
    if not plan.hashes then return end
    function response(status)
        if status >= 200 and status < 300 then
            last = now()
            if last >= started then good = good + 1 end
        elseif status == 503 then
            turned_away, pauses = turned_away + 1, pauses + 1
        else
            failed = failed + 1
        end
    end
    if not plan.crowded then return end
    function delay() -- of any connection: they are alike
        if pauses == 0 then return 0 end
        pauses = pauses - 1
        return 1000
    end
end

function done(summary, latency)
    local sum = { good = 0, turned_away = 0, failed = 0, used = 0, exhausted = 0 }
    local first, latest = math.huge, 0
    for _, thread in ipairs(threads) do
        for name in pairs(sum) do sum[name] = sum[name] + thread:get(name) end
        first, latest = math.min(first, thread:get("started")), math.max(latest, thread:get("last"))
    end
    local errors = summary.errors
    io.write(string.format(
        '{"requests":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"max_us":%d,"refused":%d,"socket":%d,"timeouts":%d,'
            .. '"good":%d,"turned_away":%d,"failed":%d,"used":%d,"exhausted":%d,"good_seconds":%.6f}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), latency.max, errors.status,
        errors.connect + errors.read + errors.write, errors.timeout,
        sum.good, sum.turned_away, sum.failed, sum.used, sum.exhausted, math.max(0, latest - first)))
end

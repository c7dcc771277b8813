"""The rounds: each work between two runs of what it is compared with, since the machine is another one a minute later."""

import json
import os

from .load import Load, measure
from .process import Program, free_port, run
from .works import HEADLINE, hash_share

COST = 12  # of the hashes, as shipped
STORM_CONNECTIONS = 64


class Bare:
    """The limit: actix-web with nothing behind it."""

    def __init__(self, program, folder):
        self.port, self.folder = free_port(), folder
        self.server = Program("bench-bare", [program, f"127.0.0.1:{self.port}"])

    def __enter__(self):
        self.server.wait_for_port(self.port)
        return self

    def __exit__(self, *_):
        self.server.__exit__()

    def measure(self, connections, seconds):
        return measure(self.server.process.pid, None, name="bare", url=f"http://127.0.0.1:{self.port}/", folder=self.folder,
                       connections=connections, seconds=seconds)


class Rounds:
    """Measures one database; what came out is added to `runs`."""

    def __init__(self, options, service, bare, programs, database_pid, runs, say):
        self.options, self.service, self.bare, self.programs = options, service, bare, programs
        self.database_pid, self.runs, self.say = database_pid, runs, say

    def all(self):
        """Remind comes last: its made-up addresses are worked off beside and after it."""
        quick = [work for work in self.options.only if not hash_share(work)]
        for works in ([work for work in quick if work != "remind"], [work for work in self.options.only if hash_share(work)],
                      [work for work in quick if work == "remind"]):
            for connections in self.options.connections if works else ():
                self.say(f"{self.service.database}, {connections} connections: {', '.join(works)}")
                for number in range(self.options.rounds if connections == HEADLINE else 1):
                    if not hash_share(works[0]):
                        self.quick_round(works, connections, number)
                        continue
                    before = self.compare(works[0], connections)
                    for work in works:
                        before = self.hashing_round(work, connections, number, before)

    def quick_round(self, works, connections, number):
        """These works in turn, each between two runs of the bare server."""
        with self.serve():
            for work in works:
                self.service.prove(work)
            self.one(works[0], connections, 1)  # to warm it up
            before = self.compare(works[0], connections)
            for work in works:
                measured = self.one(work, connections)
                self.service.prove(work)
                after = self.compare(work, connections)
                self.add(work, connections, number, measured, before, after)
                before = after

    def hashing_round(self, work, connections, number, before):
        """One work. Who waits for a hash and goes away is hashed for all the same, so the server is gone before anything else is
        measured."""
        with self.serve():
            self.service.prove(work)
            measured = self.one(work, connections)
        after = self.compare(work, connections)
        self.add(work, connections, number, measured, before, after)
        return after

    def add(self, work, connections, number, measured, before, after):
        beside = {name: (before[name] + after[name]) / 2 for name in after}
        self.runs.append({"work": work, "database": self.service.database, "connections": connections, "round": number} | measured | beside)

    def serve(self):
        """The service, which is killed in the end: nothing is to be finished first."""
        server = self.service.serve()
        server.at_once, self.pid = True, server.process.pid
        return server

    def compare(self, work, connections):
        """What the limits are just now."""
        bare = self.bare.measure(connections, 1 if hash_share(work) else self.options.seconds)
        self.runs.append({"work": "bare", "database": None, "connections": connections, "round": 0} | bare)
        return {"bare": bare["per_second"]} | ({"bcrypt": self.bcrypt()} if hash_share(work) else {})

    def bcrypt(self):
        said = run(self.programs / "bench-bcrypt", COST, max(1, self.options.hash_seconds / 4))
        return json.loads(said)["per_second"]

    def one(self, work, connections, seconds=None):
        hashes = hash_share(work) > 0
        measured = measure(
            self.pid, self.database_pid, name=work, url=self.service.base, folder=self.service.folder, connections=connections,
            seconds=seconds or (self.options.hash_seconds if hashes else self.options.seconds), kinds=self.service.kinds(work), hashes=hashes)
        self.service.used_up(measured["used"])
        return measured

    def storm(self, number):
        """Many verify at once; how is the token endpoint?"""
        self.say(f"{self.service.database}: token while {STORM_CONNECTIONS} connections verify")
        limits = self.compare("verify", HEADLINE)
        with self.serve():
            self.service.prove("verify")
            storm = Load("verify", self.service.base, self.service.folder, STORM_CONNECTIONS, self.options.hash_seconds + 1,
                         self.service.kinds("verify"), hashes=True)
            try:
                token = measure(self.pid, self.database_pid, name="token", url=self.service.base, folder=self.service.folder,
                                connections=HEADLINE, seconds=self.options.hash_seconds, kinds=self.service.kinds("token"))
            finally:
                verified = storm.result()
        return {"database": self.service.database, "round": number, "per_second": token["per_second"], "p50_us": token["p50_us"],
                "p99_us": token["p99_us"], "verified": verified["good"] / verified["good_seconds"]} | limits


def needs_links(options):
    """How many links the works will use up at most, with room to spare: they come by mail beforehand."""
    works, each = {"reset", "mixture"} & set(options.only), 0
    hashed = 10 * len(os.sched_getaffinity(0))  # a second: no core is as fast as that
    for connections in options.connections:
        rounds = options.rounds if connections == HEADLINE else 1
        turned_away = max(0, connections - 60)  # each comes back once a second
        each += rounds * (connections + (hashed + turned_away) * (options.hash_seconds + 2))
    return each * len(works) + 2

"""states.py, but no execution begins its first state before it is stopped: a moment that is hard to meet otherwise."""

import pathlib
import runpy
import sys
import time

import werkzeug.serving

LOCAL = pathlib.Path(__file__).resolve().parents[4] / "local"
plain = werkzeug.serving.make_server


def make_server(*args, **named):
    from interpreter import wrap
    from moto.stepfunctions.parser.asl.component.program.program import Program

    def late(begin, self, env):
        while env.event_manager.redrives == 0 and env.is_running():
            time.sleep(0.001)
        begin(self, env)

    wrap(Program, "_eval_body", late)
    return plain(*args, **named)


werkzeug.serving.make_server = make_server
sys.path.insert(0, str(LOCAL))
runpy.run_path(str(LOCAL / "states.py"), run_name="__main__")

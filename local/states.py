"""Runs moto's Step Functions interpreter as an engine of the local run.

    states.py PORT GATEWAY_PORT SPEED

moto interprets the very definitions that a deployment would get, and calls Lambda, S3, SQS and DynamoDB at the gateway,
which judges these calls by the state machine's role: the access key names it. What moto does unlike AWS is put right in
interpreter.py and executions.py, each with its reason; what cannot be put right is refused by the stack, or listed in
docs/fidelity.md. Only Step Functions is served: nothing else of moto answers anybody.
"""

import json
import logging
import os
import sys
import time
import types

PORT, GATEWAY, SPEED = sys.argv[1:]

# The account is the local run's; moto counts waits until a point in time in the machine's zone. All are read on import.
os.environ.update(MOTO_ACCOUNT_ID="000000000000", MOTO_PORT=GATEWAY, ORBITQ_SPEED=SPEED, TZ="UTC")
time.tzset()
sys.dont_write_bytecode = True  # beside the sources it would only be in the way

import moto.stepfunctions.parser.utils as moto_utils  # noqa: E402


class Forgetful(list):
    """A list that keeps nothing: moto remembers every thread it ever started."""

    def append(self, _):
        pass


moto_utils.TMP_THREADS = Forgetful()  # before anything takes the list by its name
# The integration with AWS Batch, which the stack refuses, would load all of EC2: half of the time and of the memory.
batch = types.ModuleType("moto.batch.utils")
batch.JobStatus = types.SimpleNamespace(SUCCEEDED="SUCCEEDED", FAILED="FAILED")
sys.modules |= {"moto.batch": types.ModuleType("moto.batch"), "moto.batch.utils": batch}

from moto.core.config import default_user_config  # noqa: E402
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

import executions  # noqa: E402
import interpreter  # noqa: E402

interpreter.put_right()
executions.put_right()
default_user_config["stepfunctions"]["execute_state_machine"] = True
logging.getLogger("werkzeug").setLevel(logging.WARNING)
logging.getLogger("moto").setLevel(logging.CRITICAL)  # a failed state is the definition's business, not a fault of the engine

states = create_backend_app("stepfunctions")


def app(environ, start_response):
    if environ["PATH_INFO"] != "/_orbitq/executions":
        return states(environ, start_response)
    text = json.dumps(executions.executions()).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text]


MotoRequestHandler.protocol_version = "HTTP/1.1"
make_server("127.0.0.1", int(PORT), app, threaded=True, request_handler=MotoRequestHandler).serve_forever()

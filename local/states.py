"""Runs moto's Step Functions interpreter as an engine of the local run.

    states.py PORT GATEWAY_PORT SPEED

moto interprets the very definitions that a deployment would get, and calls Lambda, S3, SQS and DynamoDB at the gateway,
which judges these calls by the state machine's role: the access key names it. What moto does unlike AWS is put right
here, each with its reason; what cannot be put right is refused by the stack, or listed in docs/fidelity.md. Nothing of a
definition is changed for compressed time: waits and retry intervals are divided where they are waited for.
"""

import copy
import datetime
import functools
import json
import logging
import os
import re
import sys
import threading
import time
import types
import uuid

PORT, GATEWAY, SPEED = int(sys.argv[1]), int(sys.argv[2]), max(1.0, float(sys.argv[3]))

# The account is the local run's; moto counts waits until a point in time in the machine's zone. Both are read on import.
os.environ.update(MOTO_ACCOUNT_ID="000000000000", MOTO_PORT=str(GATEWAY), TZ="UTC")
time.tzset()

import boto3  # noqa: E402
import moto.stepfunctions.parser.utils as moto_utils  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402


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
from moto.core.exceptions import AWSError  # noqa: E402
from moto.core.responses import ActionResult  # noqa: E402
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app  # noqa: E402
from moto.stepfunctions.parser import api  # noqa: E402
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends  # noqa: E402
from moto.stepfunctions.responses import StepFunctionResponse  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName  # noqa: E402
from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import ErrorEqualsDecl  # noqa: E402
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException  # noqa: E402
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName  # noqa: E402
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType  # noqa: E402
from moto.stepfunctions.parser.asl.component.common.flow.start_at import StartAt  # noqa: E402
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl  # noqa: E402
from moto.stepfunctions.parser.asl.component.common.retry.retry_outcome import RetryOutcome  # noqa: E402
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState  # noqa: E402
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.item_reader_decl import ItemReader  # noqa: E402
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import distributed_iteration_component as distributed  # noqa: E402
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.inline_iteration_component import InlineIterationComponent  # noqa: E402
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor.distributed_item_processor_worker import DistributedItemProcessorWorker  # noqa: E402
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.iteration_worker import IterationWorker  # noqa: E402
from moto.stepfunctions.parser.asl.component.state.exec.state_map.state_map import StateMap  # noqa: E402
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel.state_parallel import StateParallel  # noqa: E402
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_lambda import StateTaskServiceLambda  # noqa: E402
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField  # noqa: E402
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction  # noqa: E402
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.seconds import Seconds  # noqa: E402
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventHistoryContext, EventManager  # noqa: E402
from moto.stepfunctions.parser.asl.eval.program_state import ProgramEnded, ProgramError, ProgramTimedOut  # noqa: E402
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser  # noqa: E402
from moto.stepfunctions.parser.asl.utils import boto_client  # noqa: E402
from moto.stepfunctions.parser.backend import execution as backend_execution  # noqa: E402

INLINE_CONCURRENCY = 40  # "Inline mode: up to 40 concurrent iterations" (Map state processing modes)
CHILDREN = 64  # AWS runs 10,000 children at once; here a function has 64 environments
HISTORY = 25_000  # events of one execution (Step Functions service quotas)

STATUS = api.ExecutionStatus


class NotRedrivable(AWSError):
    TYPE, STATUS = "ExecutionNotRedrivable", 400


# Calls. moto makes a client for each call, which costs more than the call.

made, making = {}, threading.Lock()


def client_for(region, service, state_credentials=None):
    """The client of a role: its access key tells the gateway whose permissions count."""
    role = state_credentials.role_arn.rsplit("/", 1)[-1] if state_credentials else "none"
    key = (region, service, role)
    with making:
        if key not in made:
            made[key] = boto3.client(
                service, region_name=region, endpoint_url=f"http://127.0.0.1:{GATEWAY}",
                aws_access_key_id="role-" + role, aws_secret_access_key="local",
                config=Config(parameter_validation=False, max_pool_connections=256, retries={"total_max_attempts": 1},
                              connect_timeout=10, read_timeout=99_999_999),
            )
        return made[key]


def lambda_failure(plain, self, env, ex):
    """Names errors as AWS does: what Lambda's model does not know is AWSLambdaException, a cut line SdkClientException."""
    if isinstance(ex, BotoCoreError):
        error, cause = "Lambda.SdkClientException", f"Unable to execute HTTP request: {ex}"
    elif isinstance(ex, ClientError):
        error, cause = self._error_cause_from_client_error(ex)
        known = client_for("eu-central-1", "lambda").meta.service_model.operation_model("Invoke").error_shapes
        if error.removeprefix("Lambda.") not in {shape.name for shape in known}:
            error = "Lambda.AWSLambdaException"
    else:
        return plain(self, env, ex)
    details = api.TaskFailedEventDetails(
        error=error, cause=cause, resource=self._get_sfn_resource(), resourceType=self._get_sfn_resource_type())
    return FailureEvent(env, CustomErrorName(error), api.HistoryEventType.TaskFailed, {"taskFailedEventDetails": details})


def reader_failure(plain, self, env):
    """A file that cannot be read is States.ItemReaderFailed, which a definition can catch; moto gives States.Runtime."""
    try:
        plain(self, env)
    except (BotoCoreError, ClientError, ValueError) as ex:
        raise map_failure(env, StatesErrorNameType.StatesItemReaderFailed, str(ex)) from ex


def map_failure(env, kind, cause):
    """The failure of a Map run."""
    details = api.MapRunFailedEventDetails(error=kind.to_name(), cause=cause)
    return FailureEventException(FailureEvent(env, StatesErrorName(kind), api.HistoryEventType.TaskFailed, {"mapRunFailedEventDetails": details}))


def terminal_errors(plain, self, env):
    """States.ALL does not match States.DataLimitExceeded and States.Runtime (Error handling: Error names)."""
    name = env.stack[-1]
    terminal = (StatesErrorNameType.StatesRuntime.to_name(), StatesErrorNameType.StatesStatesDataLimitExceeded.to_name())
    if name is not None and name.error_name in terminal and name not in self.error_names:
        env.stack[-1] = False
        return
    plain(self, env)


# Time.


def pause(env, seconds):
    """Waits in slices, so that an execution that is stopped does not wait to its end, and fractions of seconds end."""
    end = time.monotonic() + seconds
    while env.is_running() and (left := end - time.monotonic()) > 0:
        env.program_state_event.wait(min(left, 0.5))


running = threading.local()  # what a thread is at, for moto's functions that are not told


class RetryClock:
    """Stands in for the module time in the retrier: its wait is compressed, with the fractions that remain."""

    @staticmethod
    def sleep(seconds):
        pause(running.env, seconds / SPEED)


def retrier(plain, self, env):
    running.env = env
    plain(self, env)


# Maps.


def inline(plain, self, env):
    """Runs no more iterations at once than AWS does."""
    given = env.stack[-1]
    if not 0 < given.max_concurrency <= INLINE_CONCURRENCY:
        given.max_concurrency = INLINE_CONCURRENCY
    plain(self, env)


def map_run(plain, self, env, eval_input):
    """Fails a Map run that exceeds one of its thresholds (Tolerated failure threshold for Distributed Map state)."""
    record = eval_input.map_run_record
    if not 0 < record.max_concurrency <= CHILDREN:
        record.max_concurrency = CHILDREN
    plain(self, env, eval_input)
    counter = record.item_counter
    failed, total = counter.failed.get() + counter.timed_out.get(), max(1, counter.total.get())
    most, share = eval_input.tolerated_failure_count, eval_input.tolerated_failure_percentage
    exceeded = [failed > most] * bool(most) + [failed * 100 / total > share] * bool(share)  # 0 is what is not given, too
    if any(exceeded or [failed > 0]):
        raise map_failure(env, StatesErrorNameType.StatesExceedToleratedFailureThreshold,
                          "The specified tolerated failure threshold was exceeded")


def distributed_body(plain, self, env):
    """Lets the events of children count for their parent; moto forgets them."""
    running.parent = env.event_manager
    plain(self, env)


def child_events():
    manager = EventManager()
    manager.parent = running.parent
    return manager


def child_input(plain, self, env_frame):
    """Gives a child an execution of its own in its context, as on AWS; the item selector still sees the parent's."""
    plain(self, env_frame)
    context = env_frame.states.context_object.context_object_data
    name, parent = str(uuid.uuid4()), context["Execution"]
    context["Execution"] = parent | {
        "Id": re.sub(r":execution:([^:]+):.*", rf":execution:\1/{self._work_name}:{name}", parent["Id"]),
        "Name": name, "Input": env_frame.states.get_input(),
    }


def eval_pool(plain, self, job, worker_frame):
    """Ends a worker in good order when moto itself fails: a job that is never closed would keep the Map waiting."""
    try:
        plain(self, job, worker_frame)
    except Exception as ex:  # whatever it is, it ends the Map
        if job is None:
            raise
        job.job_output = ex
        self._job_pool.close_job(job)


# Counting.


def new_events(plain, self, *args, **named):
    plain(self, *args, **named)
    self.parent, self.transitions, self.retries, self.redrives = None, 0, 0, 0


def count(manager, field):
    while manager.parent is not None:
        manager = manager.parent
    with manager._mutex:
        setattr(manager, field, getattr(manager, field) + 1)


def add_event(plain, self, context, event_type, *args, **named):
    """Counts transitions, and ends an execution whose history is full. Only where a state begins is it safe to fail."""
    if event_type.endswith("StateEntered"):
        if self.parent is None and len(self._history_event_list) >= HISTORY:
            raise RuntimeError(f"The execution reached the maximum number of history events ({HISTORY}).")
        count(self, "transitions")
    return plain(self, context, event_type, *args, **named)


def handle_retry(plain, self, env, failure_event):
    outcome = plain(self, env, failure_event)
    if outcome == RetryOutcome.CanRetry:
        count(env.event_manager, "retries")
    return outcome


# Executions.

changing = threading.RLock()


def start_execution(plain, self, state_machine_arn, name=None, execution_input=None, trace_header=None):
    """Two starts with one name are one execution, also when they come at the same moment."""
    with changing:
        return plain(self, state_machine_arn, name or str(uuid.uuid4()), execution_input, trace_header)


def stop_execution(self):
    """Keeps the reason and the status: moto drops the one, and shows RUNNING until the task has returned."""
    execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
    stop = now()
    error, cause = self._get_param("error"), self._get_param("cause")
    with changing:
        first = execution.exec_status == STATUS.RUNNING
        if first:
            execution.exec_status, execution.stop_date, execution.error, execution.cause = STATUS.ABORTED, stop, error, cause
    while first and execution.exec_worker.env is None:  # its thread is about to begin
        time.sleep(0.001)
    if first:
        execution.exec_worker.env.set_stop(stop_date=stop, cause=cause, error=error)
    return ActionResult({"stopDate": execution.stop_date})


def reflect(self, env=None):
    """The status last: who sees that an execution has succeeded wants to see its output.

    A thread that was stopped, and ends after its execution was redriven, has no more say. The first has no environment.
    """
    execution = self.execution
    if env is None and hasattr(execution, "redriven"):
        return
    env = env or execution.exec_worker.env
    state = env.program_state()
    with changing:
        if execution.exec_status != STATUS.RUNNING or execution.exec_worker.env is not env:
            return
        execution.stop_date = now()
        if isinstance(state, ProgramEnded):
            execution.output = env.states.get_input()
            execution.exec_status = STATUS.SUCCEEDED
        elif isinstance(state, ProgramError):
            execution.error, execution.cause = state.error.get("error"), state.error.get("cause")
            execution.exec_status = STATUS.FAILED
        elif isinstance(state, ProgramTimedOut):
            execution.exec_status = STATUS.TIMED_OUT
        else:
            execution.exec_status = STATUS.ABORTED


def begin_state(plain, self, env):
    """Remembers where an execution is, with which input: a redrive goes on there."""
    if not env.is_frame():
        env.event_manager.at = (self, env.states.get_input())
    plain(self, env)


def redrive_execution(self):
    """Goes on with the state that has failed, with its input, under the same ARN and definition (RedriveExecution).

    What a Map or a Parallel has done already is not repeated on AWS. moto cannot, and does not pretend.
    """
    execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
    with changing:
        if execution.exec_status not in (STATUS.FAILED, STATUS.ABORTED, STATUS.TIMED_OUT):
            raise NotRedrivable(f"Execution is {execution.status} and cannot be redriven")
        worker = execution.exec_worker
        events = worker.env.event_manager
        state, given = events.at
        if isinstance(state, (StateMap, StateParallel)):
            raise NotRedrivable(f"The local run cannot redrive a Map or Parallel, which {state.name} is")
        execution.exec_status, execution.stop_date, execution.error, execution.cause = STATUS.RUNNING, None, None, None
        events.redrives += 1
        execution.redriven = now()
        env, program = worker._get_evaluation_environment(), copy.copy(worker._get_evaluation_entrypoint())
        env.event_manager, env.variable_store = events, worker.env.variable_store
        env.event_history_context = EventHistoryContext(len(events._history_event_list))
        env.states.reset(given)
        worker.env, program.start_at = env, StartAt(state.name)
    events.add_event(env.event_history_context, api.HistoryEventType.ExecutionRedriven,
                     {"executionRedrivenEventDetails": {"redriveCount": events.redrives}})
    threading.Thread(target=lambda: (program.eval(env), reflect(types.SimpleNamespace(execution=execution), env)), daemon=True).start()
    return ActionResult({"redriveDate": execution.redriven})


def now():
    return datetime.datetime.now(tz=datetime.timezone.utc)


def describe_execution(plain, self):
    """An execution that has timed out has ended, too; and what has succeeded has an output, also null."""
    answer = plain(self)
    execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
    events = execution.exec_worker.env and execution.exec_worker.env.event_manager
    answer.result["redriveCount"] = events.redrives if events else 0
    if execution.exec_status in (STATUS.RUNNING, STATUS.SUCCEEDED):
        answer.result["redriveStatus"] = "NOT_REDRIVABLE"
        answer.result["redriveStatusReason"] = f"Execution is {execution.status} and cannot be redriven"
    else:
        answer.result["redriveStatus"] = "REDRIVABLE"
    if hasattr(execution, "redriven"):
        answer.result["redriveDate"] = execution.redriven
    if execution.stop_date is not None:
        answer.result["stopDate"] = execution.stop_date
    if answer.result["status"] == STATUS.SUCCEEDED:
        answer.result["output"] = json.dumps(execution.output, separators=(",", ":"))
    return answer


def get_execution_history(plain, self):
    """Pages and reverses; moto answers with everything in one order."""
    answer = plain(self)
    events = answer.result["events"]
    if self._get_param("reverseOrder"):
        events.reverse()
    begin, most = int(self._get_param("nextToken") or 0), self._get_param("maxResults") or 1000
    answer.result["events"] = events[begin:begin + most]
    if begin + most < len(events):
        answer.result["nextToken"] = str(begin + most)
    return answer


def executions():
    """What the stack tells of every execution, oldest first."""
    all_of_them = []
    for account in stepfunctions_parser_backends.values():
        for backend in account.values():
            all_of_them += [e for machine in backend.state_machines for e in machine.executions]
    return [summary(e) for e in sorted(all_of_them, key=lambda e: e.start_date)]


def summary(execution):
    env = execution.exec_worker and execution.exec_worker.env
    events = env.event_manager if env else None
    retries = events.retries if events else 0
    return {
        "name": execution.name, "machine": execution.state_machine.name, "status": execution.status,
        "started": execution.start_date.isoformat(), "stopped": execution.stop_date and execution.stop_date.isoformat(),
        "transitions": (events.transitions if events else 0) + retries, "retries": retries,
        "events": len(events._history_event_list) if events else 0,
    }


# Putting it together.


@functools.lru_cache(maxsize=64)
def parsed(definition):
    # AWS takes a whole number as a percentage, moto's grammar only a decimal one.
    return plain_parse(re.sub(r'("ToleratedFailurePercentage"\s*:\s*\d+)(?=\s*[,}\s])', r"\1.0", definition))


def wrap(owner, name, around):
    """Replaces a method by one that gets the plain one first."""
    plain = getattr(owner, name)
    setattr(owner, name, functools.wraps(plain)(lambda *args, **named: around(plain, *args, **named)))


plain_parse = AmazonStateLanguageParser.parse
AmazonStateLanguageParser.parse = staticmethod(parsed)  # a definition is read once, not once for each execution
for module in list(sys.modules.values()):  # by name: it is imported from where it stands
    if getattr(module, "boto_client_for", None) is boto_client.boto_client_for and module is not boto_client:
        module.boto_client_for = client_for

wrap(StateTaskServiceLambda, "_from_error", lambda_failure)
wrap(ItemReader, "_eval_body", reader_failure)
wrap(ErrorEqualsDecl, "_eval_body", terminal_errors)
WaitFunction._wait_interval = lambda self, env, wait_seconds: pause(env, wait_seconds)
wrap(Seconds, "_get_wait_seconds", lambda plain, self, env: plain(self, env) / SPEED)
retrier_decl.time = RetryClock
wrap(retrier_decl.RetrierDecl, "_eval_body", retrier)
wrap(InlineIterationComponent, "_eval_body", inline)
wrap(distributed.DistributedIterationComponent, "_map_run", map_run)
wrap(distributed.DistributedIterationComponent, "_eval_body", distributed_body)
distributed.EventManager = child_events
wrap(DistributedItemProcessorWorker, "_eval_input", child_input)
wrap(IterationWorker, "_eval_pool", eval_pool)
wrap(EventManager, "__init__", new_events)
wrap(EventManager, "add_event", add_event)
wrap(ExecutionState, "_handle_retry", handle_retry)
wrap(StepFunctionsParserBackend, "start_execution", start_execution)
StepFunctionResponse.stop_execution = stop_execution
StepFunctionResponse.redrive_execution = redrive_execution
wrap(CommonStateField, "_eval_body", begin_state)
backend_execution.BaseExecutionWorkerCommunication._reflect_execution_status = reflect
wrap(StepFunctionResponse, "describe_execution", describe_execution)
wrap(StepFunctionResponse, "get_execution_history", get_execution_history)

default_user_config["stepfunctions"]["execute_state_machine"] = True
sys.setrecursionlimit(100_000)  # a worker of a Map goes one call deeper with each item
logging.getLogger("werkzeug").setLevel(logging.WARNING)
logging.getLogger("moto").setLevel(logging.CRITICAL)  # a failed state is the definition's business, not a fault of the engine

states = create_backend_app("stepfunctions")


def app(environ, start_response):
    if environ["PATH_INFO"] != "/_orbitq/executions":
        return states(environ, start_response)
    text = json.dumps(executions()).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text]


MotoRequestHandler.protocol_version = "HTTP/1.1"
make_server("127.0.0.1", PORT, app, threaded=True, request_handler=MotoRequestHandler).serve_forever()

"""What the interpreter of state machines does unlike AWS, put right method by method.

Each function that takes `plain` first stands around the method of that name which moto has. What it follows is said with
it, by the title of AWS's document; docs/fidelity.md has the list, and fidelity_states_test.go runs every row in moto as it
comes, too, so that a patch can go when moto has caught up. Nothing of a definition is changed for compressed time: waits
and retry intervals are divided where they are waited for.
"""

import functools
import os
import re
import sys
import threading
import time
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from moto.stepfunctions.parser import api
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import ErrorEqualsDecl
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.retry.retry_outcome import RetryOutcome
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.item_reader_decl import ItemReader
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import distributed_iteration_component as distributed
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.inline_iteration_component import InlineIterationComponent
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor.distributed_item_processor_worker import DistributedItemProcessorWorker
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.iteration_worker import IterationWorker
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_lambda import StateTaskServiceLambda
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.seconds import Seconds
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils import boto_client

GATEWAY, SPEED = os.environ["MOTO_PORT"], max(1.0, float(os.environ["ORBITQ_SPEED"]))
INLINE_CONCURRENCY = 40  # iterations at once (Using Map state in Inline mode)
CHILDREN = 64  # AWS runs 10,000 children at once; here a function has 64 environments
HISTORY = 25_000  # events of one execution (Step Functions service quotas)


def wrap(owner, name, around):
    """Replaces a method by one that gets the plain one first."""
    plain = getattr(owner, name)
    setattr(owner, name, functools.wraps(plain)(lambda *args, **named: around(plain, *args, **named)))


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
    self.parent, self.at, self.transitions, self.retries, self.redrives = None, None, 0, 0, 0


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


# Definitions.

plain_parse = AmazonStateLanguageParser.parse


@functools.lru_cache(maxsize=64)
def parsed(definition):
    # AWS takes a whole number as a percentage, moto's grammar only a decimal one.
    return plain_parse(re.sub(r'("ToleratedFailurePercentage"\s*:\s*\d+)(?=\s*[,}\s])', r"\1.0", definition))


def put_right():
    """Takes effect for all of moto; everything of it must have been imported."""
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
    sys.setrecursionlimit(100_000)  # a worker of a Map goes one call deeper with each item

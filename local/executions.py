"""What the API of executions does unlike AWS, put right: starting, stopping, redriving, describing, and what they cost."""

import copy
import datetime
import json
import threading
import time
import types
import uuid

from interpreter import wrap
from moto.core.exceptions import AWSError
from moto.core.responses import ActionResult
from moto.stepfunctions.parser import api
from moto.stepfunctions.parser.asl.component.common.flow.start_at import StartAt
from moto.stepfunctions.parser.asl.component.state.exec.state_map.state_map import StateMap
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel.state_parallel import StateParallel
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventHistoryContext
from moto.stepfunctions.parser.asl.eval.program_state import ProgramEnded, ProgramError, ProgramTimedOut
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends
from moto.stepfunctions.responses import StepFunctionResponse

STATUS = api.ExecutionStatus


class NotRedrivable(AWSError):
    TYPE, STATUS = "ExecutionNotRedrivable", 400


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
        if events.at and isinstance(events.at[0], (StateMap, StateParallel)):
            raise NotRedrivable(f"The local run cannot redrive a Map or Parallel, which {events.at[0].name} is")
        execution.exec_status, execution.stop_date, execution.error, execution.cause = STATUS.RUNNING, None, None, None
        events.redrives += 1
        execution.redriven = now()
        env, program = worker._get_evaluation_environment(), copy.copy(worker._get_evaluation_entrypoint())
        env.event_manager, env.variable_store = events, worker.env.variable_store
        env.event_history_context = EventHistoryContext(len(events._history_event_list))
        if events.at:  # else it was stopped before its first state
            state, given = events.at
            env.states.reset(given)
            program.start_at = StartAt(state.name)
        worker.env = env
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


def put_right():
    """Takes effect for all of moto."""
    wrap(CommonStateField, "_eval_body", begin_state)
    BaseExecutionWorkerCommunication._reflect_execution_status = reflect
    wrap(StepFunctionsParserBackend, "start_execution", start_execution)
    StepFunctionResponse.stop_execution = stop_execution
    StepFunctionResponse.redrive_execution = redrive_execution
    wrap(StepFunctionResponse, "describe_execution", describe_execution)
    wrap(StepFunctionResponse, "get_execution_history", get_execution_history)

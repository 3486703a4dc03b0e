"""How a worker ended, in the words that it leaves: exit codes and reasons."""

from camstream.errors import CamstreamError, SpecError
from camstream.spec.status import ExitStatus
from camstream_worker.runtime.runner import Runner
from camstream_worker.sockets import AddressInUse

COMPLETED, FAILED, WRONG_CONFIGURATION, ADDRESS_IN_USE = 0, 1, 2, 3


def completion(message: str) -> ExitStatus:
    """The end after the last frame."""
    return ExitStatus(reason="Completed", exit_code=COMPLETED, message=message)


def failure(error: BaseException) -> ExitStatus:
    """The end by an error."""
    if isinstance(error, AddressInUse):
        return ExitStatus(reason="AddressInUse", exit_code=ADDRESS_IN_USE, message=str(error))
    if isinstance(error, SpecError):
        return ExitStatus(reason="WrongConfiguration", exit_code=WRONG_CONFIGURATION, message=str(error))
    told = expected(error)
    return ExitStatus(reason=type(told).__name__, exit_code=FAILED, message=str(told))


def expected(error: BaseException) -> CamstreamError | OSError:
    """An error as it is told: one that breaks a promise of our own code has its type in its message."""
    return error if isinstance(error, (CamstreamError, OSError)) else CamstreamError(f"{type(error).__name__}: {error}")


def end_for_good(runner: Runner) -> ExitStatus | None:
    """How a stream ended, where the same configuration is not to be tried again.

    What failed before its stream was open is tried again all the same: an address or a folder may be there by then.
    """
    if not runner.finished.is_set():
        return None
    if runner.failure is None:
        return completion(runner.state.ended) if runner.state.ended else None
    found = failure(runner.failure)
    return found if found.exit_code == FAILED and runner.job.config.fails_for_good and runner.ready.is_set() else None

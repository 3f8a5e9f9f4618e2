"""`Settings` of the server."""

from dataclasses import dataclass

from .._bounds import check_number, check_whole
from .._hosts import is_loopback


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Address, limits and batching of a server.

    Attributes:
        host: The address to listen at; only a loopback address keeps other machines out.
        port: The port; 0 takes a free one, which the log names.
        token: Requests need the header ``Authorization: Bearer TOKEN``, all but ``GET /health``;
            None: no token.
        device: The device of the model.
        threads: Threads of torch for one batch.
        max_batch_rows: Rows that are computed together at most.
        max_wait_ms: Time that a request waits for others to join it while the model is idle.
        max_body_bytes: Size of a request's body.
        max_rows: Rows, or users, of a request.
        max_k: Recommendations per user.
        max_queue: Requests in progress; beyond it the answer is 503.
        timeout_s: Time to send a body, and to answer a request.
        grace_s: Time for requests in progress when the server stops.
        watch: Load the bundle again whenever its folder was replaced.

    Raises:
        ValueError: A number is out of range, or the token is shorter than 8 characters.

    Example:
        >>> Settings(port=0).is_loopback
        True
        >>> Settings(max_rows=0)
        Traceback (most recent call last):
        ValueError: max_rows must be at least 1, got 0
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    device: str = "cpu"
    threads: int = 1
    max_batch_rows: int = 1024
    max_wait_ms: float = 0.0
    max_body_bytes: int = 8 * 2**20
    max_rows: int = 10_000
    max_k: int = 1000
    max_queue: int = 1024
    timeout_s: float = 30.0
    grace_s: float = 30.0
    watch: bool = False

    def __post_init__(self) -> None:
        check_whole(0, port=self.port)
        check_number("[0, 65535]", port=self.port)
        names = ("threads", "max_batch_rows", "max_body_bytes", "max_rows", "max_k", "max_queue")
        check_whole(1, **{name: getattr(self, name) for name in names})
        check_number("[0, inf)", max_wait_ms=self.max_wait_ms, grace_s=self.grace_s)
        check_number("(0, inf)", timeout_s=self.timeout_s)
        if self.token is not None and len(self.token) < 8:
            raise ValueError("the token is shorter than 8 characters, so that it can be guessed")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the address."""
        return is_loopback(self.host)

"""Asking whether a host answers, before a library spends half a minute to find out."""

import http.client
import threading
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 5.0


def reachable(url: str, timeout: float = TIMEOUT_SECONDS) -> bool:
    """Tell whether a web address gives any answer at all.

    Parameters
    ----------
    url : str
        An http or https address; proxies of the environment are used.
    timeout : float
        Seconds to wait at the most, name resolution included.

    Returns
    -------
    bool
        True for any HTTP answer, also an error status.
    """
    answers: list[bool] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=timeout):  # noqa: S310
                answers.append(True)
        except urllib.error.HTTPError:
            answers.append(True)
        except (OSError, ValueError, http.client.HTTPException):
            answers.append(False)

    # Name resolution knows no time-out of its own: a daemon thread can be left behind.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    return bool(answers and answers[0])

"""An alert, and its text in English and Chinese."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .._shown import shown
from ..basic.tracking.redaction import redact

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

TITLE = "torch_rechub"

_TEXTS: dict[Language, dict[str, str]] = {
    "en": {
        "not_finite": "{metrics} is not finite{at}",
        "not_finite.error": "a loss is not finite: {error}",
        "stalled": "{metric} has not improved for {epochs} epochs: best {best}{best_at}, now "
        "{value}{at}",
        "fallen": "{metric} has fallen from its best {best}{best_at} to {value}{at}",
        "dead_rows": "{share} of the rows of embedding table {table} are unchanged by training{at}",
        "slow": "throughput is {value} rows/s{at}, below {share} of its median {median} rows/s",
        "tracker_lost": "{logger} was switched off, so later records are lost there: {error}",
        "run_ended.finished": "the run has finished{after}{result}",
        "run_ended.failed": "the run has failed{after}: {error}",
        "run_ended.interrupted": "the run was interrupted ({error}){after}{result}",
        "run_ended.killed": "the process ended without finishing the run: it was killed "
        "(SIGKILL, out of memory) or crashed",
        "at": " (step {step})",
        "after": " after {duration}",
        "result": "; best {metric} {best}{best_at}",
        "suppressed": " (rate limit: {n} earlier alerts were not sent)",
    },
    "zh": {
        "not_finite": "{metrics} 不是有限数{at}",
        "not_finite.error": "损失不是有限数：{error}",
        "stalled": "{metric} 已连续 {epochs} 轮没有提升：最好值 {best}{best_at}，当前 {value}{at}",
        "fallen": "{metric} 从最好值 {best}{best_at} 变差到 {value}{at}",
        "dead_rows": "嵌入表 {table} 有 {share} 的行未被训练改变{at}",
        "slow": "吞吐量 {value} 行/秒{at}，低于中位数 {median} 行/秒的 {share}",
        "tracker_lost": "{logger} 已被关闭，之后的记录不再写入：{error}",
        "run_ended.finished": "运行已完成{after}{result}",
        "run_ended.failed": "运行失败{after}：{error}",
        "run_ended.interrupted": "运行被中断（{error}）{after}{result}",
        "run_ended.killed": "进程结束而运行未收尾：被强制终止（SIGKILL、内存不足）或崩溃",
        "at": "（第 {step} 步）",
        "after": "，用时 {duration}",
        "result": "；{metric} 最好值 {best}{best_at}",
        "suppressed": "（限流：之前有 {n} 条告警未发送）",
    },
}


@dataclass(frozen=True)
class Alert:
    """A condition of a rule that has been met.

    Attributes:
        rule: The name of the rule, such as "stalled".
        data: The values of the message, plain data.
        form: The form of the message where a rule has several, such as "failed".
        subject: The metric, table or logger.
    """

    rule: str
    data: Mapping[str, Any] = field(default_factory=dict)
    form: str = ""
    subject: str = ""

    def text(self, language: Language = "en", run: str = "", suppressed: int = 0) -> str:
        """Return the message in one line, without secrets and control characters.

        Args:
            language: "en" or "zh".
            run: The name of the run.
            suppressed: The number of alerts that were not sent before.

        Example:
            >>> Alert("fallen", {"metric": "val/auc", "best": 0.75, "best_step": 3, "value": 0.5,
            ...                  "step": 4}).text("en", "ctr")
            '[torch_rechub] ctr: val/auc has fallen from its best 0.75 (step 3) to 0.5 (step 4)'
        """
        texts = _TEXTS[language]
        sentence = texts[f"{self.rule}.{self.form}" if self.form else self.rule]
        sentence = sentence.format_map(_filled(self.data, texts))
        end = texts["suppressed"].format(n=suppressed) if suppressed else ""
        head = f"[{TITLE}] {run}: " if run else f"[{TITLE}] "
        return shown(redact(f"{head}{sentence}{end}"))


def _filled(data: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, str]:
    """The values of a message as text, and its optional parts, empty where there is no value."""
    values = {name: _as_text(name, value) for name, value in data.items()}

    def part(name: str, key: str, **given: str) -> str:
        return texts[name].format(**given) if data.get(key) is not None else ""

    values["at"] = part("at", "step", step=values.get("step", ""))
    values["best_at"] = part("at", "best_step", step=values.get("best_step", ""))
    values["after"] = part("after", "seconds", duration=values.get("seconds", ""))
    parts = {name: values.get(name, "") for name in ("metric", "best", "best_at")}
    values["result"] = part("result", "best", **parts)
    return values


def _as_text(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if name == "seconds":
        return _duration(value)
    if name == "share":
        return f"{100 * value:.4g} %"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    """Write a duration, such as "2 h 3 min" or "4.2 s".

    Example:
        >>> _duration(7380.0), _duration(61.0), _duration(4.21)
        ('2 h 3 min', '1 min 1 s', '4.2 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"

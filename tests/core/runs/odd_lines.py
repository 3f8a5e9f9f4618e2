"""Lines that no `JSONLLogger` wrote: the reason for which each is left out, or what it adds."""

import math

TIME = '"time":"2026-01-01T00:00:00+00:00"'


def start(name="bad", more=""):
    return f'{{"v":1,"event":"start",{TIME},"id":"{name}","name":"{name}","project":"p"{more}}}'


def params(text):
    return f'{{"v":1,"event":"hyperparams",{TIME},"hyperparams":{text}}}'


def metrics(value="0.5", step="2", name="val/auc", v="1"):
    return f'{{"v":{v},"event":"metrics",{TIME},"step":{step},"metrics":{{"{name}":{value}}}}}'


def event(name, more):
    return f'{{"v":1,"event":"{name}",{more}}}'


BEFORE = [start(), params('{"lr":0.1,"monitor":"val/auc"}'), metrics("0.5", "0")]
AFTER = [metrics("0.75", "9"), event("finish", f'{TIME},"status":"finished","error":null')]
KEPT = [(0, 0.5), (9, 0.75)]

LEFT_OUT = {
    "a number": ("12", "no JSON object but int"),
    "null": ("null", "no JSON object but NoneType"),
    "true": ("true", "no JSON object but bool"),
    "a text": ('"x"', "no JSON object but str"),
    "a list": ("[]", "no JSON object but list"),
    "bytes of something else": ("\x01\x02 binary", "no JSON: Expecting value"),
    "NUL bytes": ("\0\0\0\0", "no JSON: Expecting value"),
    "a NUL between good bytes": (metrics().replace("auc", "a\0uc"), "no JSON: Invalid control"),
    "half a line": ('{"v":1,"event":"met', "no JSON: Invalid control"),
    "two records on a line": (metrics() + metrics(), "no JSON: Extra data"),
    "a comment": ("// note", "no JSON"),
    "single quotes": ("{'v': 1}", "no JSON"),
    "invalid UTF-8": (metrics(name="caf\udce9"), "no UTF-8"),
    "a surrogate as bytes": (metrics().encode().replace(b"auc", b"\xed\xb3\xa9"), "no UTF-8"),
    "UTF-16": (metrics().encode("utf-16-le").replace(b"\n\0", b""), "no JSON"),
    "brackets without end": ("[" * 200_000, "nested too deeply"),
    "braces without end": ('{"a":' * 100_000, "nested too deeply"),
    "deep nesting that JSON allows": (params('{"a":' + "[" * 300 + "]" * 300 + "}"), "50 deep"),
    "no version": (event("x", TIME).replace('"v":1,', ""), "v is no version"),
    "version 0": (metrics(v="0"), "v is no version"),
    "version -1": (metrics(v="-1"), "v is no version"),
    "version as text": (metrics(v='"1"'), "v is no version"),
    "version 1.5": (metrics(v="1.5"), "v is no version"),
    "version null": (metrics(v="null"), "v is no version"),
    "version true": (metrics(v="true"), "v is no version"),
    "version of 400 digits": (metrics(v="1" + "0" * 400), "v is no version"),
    "no event": ('{"v":1}', "an unknown event 'None'"),
    "an event that is a list": ('{"v":1,"event":["metrics"]}', "an unknown event"),
    "an unknown event": (event("image", '"data":"x"'), "an unknown event 'image'"),
    "no step": (event("metrics", '"metrics":{"val/auc":0.1}'), "step is no whole number"),
    "step as text": (metrics(step='"7"'), "step is no whole number"),
    "step null": (metrics(step="null"), "step is no whole number"),
    "step true": (metrics(step="true"), "step is no whole number"),
    "step 2.5": (metrics(step="2.5"), "step is no whole number"),
    "step -1": (metrics(step="-1"), "step is no whole number"),
    "step beyond every tracker": (metrics(step="1" + "0" * 30), "step is no whole number"),
    "step NaN": (metrics(step="NaN"), "step is no whole number"),
    "step a list": (metrics(step="[2]"), "step is no whole number"),
    "no metrics": (event("metrics", '"step":3'), "metrics is no object"),
    "metrics null": (event("metrics", '"step":3,"metrics":null'), "metrics is no object"),
    "metrics a list": (event("metrics", '"step":3,"metrics":[0.5]'), "metrics is no object"),
    "a value that is text": (metrics('"high"'), "the metric 'val/auc' is no number"),
    "a value that is a number as text": (metrics('"0.5"'), "the metric 'val/auc' is no number"),
    "a value that is null": (metrics("null"), "the metric 'val/auc' is no number"),
    "a value that is true": (metrics("true"), "the metric 'val/auc' is no number"),
    "a value that is a list": (metrics("[1]"), "the metric 'val/auc' is no number"),
    "a value that is an object": (metrics('{"a":1}'), "the metric 'val/auc' is no number"),
    "one bad value next to a good one": (metrics('0.1,"b":"x"'), "the metric 'b' is no number"),
    "an integer of 400 digits": (metrics("1" + "0" * 400), "beyond the range of floats"),
    "an integer of 5000 digits": (metrics("9" * 5000), "digits"),
    "a float beyond floats": (metrics("1e400"), "beyond the range of floats"),
    "a float object of a word": (metrics('{"$float":"x"}'), "must be one of nan, inf, -inf"),
    "a float object of null": (metrics('{"$float":null}'), "must be one of nan, inf, -inf"),
    "a float object of a list": (metrics('{"$float":["nan"]}'), "must be one of nan, inf, -inf"),
    "a key twice": (metrics('0.1,"val/auc":0.2'), "a key is there twice"),
    "two steps": (metrics(step='2,"step":3'), "a key is there twice"),
    "keys that become one": (metrics('0.1,"$val/auc":0.2'), "a key is there twice"),
    "hyperparams a list": (params("[1]"), "hyperparams is no object"),
    "hyperparams null": (params("null"), "hyperparams is no object"),
    "a resume without steps": (event("resume", '"step":0'), "steps is no object"),
    "a resume of text": (event("resume", '"step":0,"steps":{"a":"0"}'), "step is no whole number"),
    "steps of a metric that are text": (
        event("resume", '"step":0,"steps":{"val/auc":"0"}'), "step is no whole number",
    ),
    "a finish without a status": (event("finish", f'{TIME},"error":null'), "status is not one of"),
    "a status of its own": (event("finish", f'{TIME},"status":"won"'), "status is not one of"),
    "a status that is a list": (event("finish", f'{TIME},"status":["failed"]'), "status is not"),
    "an error that is a number": (event("finish", f'{TIME},"status":"failed","error":5'), "error"),
    "a time that is a number": (event("finish", '"time":5,"status":"failed"'), "time is no text"),
    "a time that is a word": (event("finish", '"time":"soon","status":"failed"'), "no ISO 8601"),
    "no time": (event("finish", '"status":"failed"'), "time is no ISO 8601"),
    "the year 1": (event("finish", '"time":"0001-01-01T00:00:00","status":"failed"'), "the year 1"),
    "the year 9999": (
        event("finish", '"time":"9999-12-31T23:59:59+00:00","status":"failed"'), "the year 9999",
    ),
    "the year 99999": (
        event("finish", '"time":"99999-01-01T00:00:00","status":"failed"'), "no ISO 8601",
    ),
}  # fmt: skip

READ = {
    "an empty line": ("", []),
    "blanks": ("  \t ", []),
    "a carriage return at its end": (metrics() + "\r", [(2, 0.5)]),
    "a byte order mark": ("\ufeff" + metrics(), [(2, 0.5)]),
    "blanks around it": (f"  {metrics()}  ", [(2, 0.5)]),
    "a step that is written as a float": (metrics(step="2.0"), [(2, 0.5)]),
    "an integer": (metrics("1"), [(2, 1.0)]),
    "infinity": (metrics('{"$float":"inf"}'), [(2, math.inf)]),
    "infinity as Python writes it": (metrics("Infinity"), [(2, math.inf)]),
    "a text": (event("text", '"name":"a","text":"b","step":0'), []),
    "a histogram": (event("histogram", '"name":"a"'), []),
    "an empty metric's name": (metrics(name=""), []),
    "a metric's name of 10,000 characters": (metrics(name="m" * 10_000), []),
    "control characters": (metrics(name="\\u001b[2J\\u0000\\u009b"), []),
    "a lone surrogate": (params('{"file":"\\udce9"}'), []),
    "a monitor that is a list": (params('{"monitor":["val/auc"]}'), []),
    "a monitor that is a number": (params('{"monitor":7}'), []),
    "a seed that is an object": (params('{"seed":{"a":[1]}}'), []),
    "a hyper-parameter of 400 digits": (params('{"n":1' + "0" * 400 + "}"), []),
    "a hyper-parameter that is NaN": (params('{"n":NaN}'), []),
    "JSON in a text, too deep to read": (params('{"a":"' + "[" * 600 + "]" * 600 + '"}'), []),
    "objects in a text, too deep": (params('{"a":"' + '{\\"b\\":' * 600 + "}" * 600 + '"}'), []),
    "empty keys": (params('{"":{"":null}}'), []),
    "a later value beyond the squares of floats": (metrics("1.7e308", "3"), [(3, 1.7e308)]),
}

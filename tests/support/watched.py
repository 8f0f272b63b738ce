"""Reads what the program leaves for monitoring with the parsers of others.

    watched.py prometheus FILE      the text file of metrics: prints `name{labels} value`, sorted
    watched.py otlp FILE            traces and metrics, one JSON object a line: prints the spans and the numbers
"""

import base64
import json
import sys


def prometheus(path):
    from prometheus_client.parser import text_fd_to_metric_families

    with open(path, encoding="utf-8") as file:
        for family in text_fd_to_metric_families(file):
            assert family.type == "gauge", family
            assert family.documentation, family
            for sample in family.samples:
                labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
                print(f"{sample.name}{{{labels}}} {sample.value}")


def in_base64(value):
    """The ids of OTLP's JSON are hexadecimal; those of Protocol Buffers' own JSON, which Python reads, are base64."""
    if isinstance(value, list):
        return [in_base64(item) for item in value]
    if not isinstance(value, dict):
        return value
    ids = {"traceId": 16, "spanId": 8, "parentSpanId": 8}
    changed = {}
    for key, item in value.items():
        if key in ids:
            raw = bytes.fromhex(item)
            assert len(raw) == ids[key], (key, item)
            changed[key] = base64.b64encode(raw).decode()
        else:
            changed[key] = in_base64(item)
    return changed


def otlp(path):
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    with open(path, encoding="utf-8") as file:
        for line in file:
            message = in_base64(json.loads(line))
            if "resourceSpans" in message:
                # Unknown fields are an error.
                request = ParseDict(message, ExportTraceServiceRequest())
                for span in request.resource_spans[0].scope_spans[0].spans:
                    assert span.start_time_unix_nano <= span.end_time_unix_nano, span
                    print("span", span.name, "error" if span.status.code else "ok")
            else:
                request = ParseDict(message, ExportMetricsServiceRequest())
                for metric in request.resource_metrics[0].scope_metrics[0].metrics:
                    for point in metric.gauge.data_points:
                        labels = ",".join(f"{a.key}={a.value.string_value}" for a in point.attributes)
                        print(f"{metric.name}{{{labels}}} {point.as_double}")


if __name__ == "__main__":
    {"prometheus": prometheus, "otlp": otlp}[sys.argv[1]](sys.argv[2])

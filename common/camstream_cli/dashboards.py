"""The dashboards of the chart, as Grafana imports them. `make generate` writes them; what they show is in :data:`DASHBOARDS`.

An expression is PromQL with Grafana's variables ``$namespace``, ``$name`` and ``$__rate_interval``.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path("charts/camstream/files/dashboards")
NOTE: Final = "Made by `make generate` from common/camstream_cli/dashboards.py. Do not edit."
SCHEMA_VERSION: Final = 39
"""Of Grafana 10.4, and read by every later one."""

COLUMNS: Final = 24
HEIGHTS: Final = {"stat": 4, "timeseries": 8, "table": 8, "state-timeline": 8}
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """One expression, and how its series are called."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    """As Grafana names it."""
    kind: str = "timeseries"
    width: int = 8
    """Of 24 columns."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page."""

    name: str
    title: str
    panels: tuple[Panel, ...]
    object_kind: str | None = None
    """Of one object of this kind, which is chosen on top."""
    by_namespace: bool = True


def _series(title: str, expression: str, legend: str = "", unit: str = "short", **more: Any) -> Panel:
    return Panel(title, (Query(expression, legend),), unit, **more)


def _quantiles(title: str, histogram: str, labels: str, width: int = 8) -> Panel:
    """Median and tail of a histogram."""
    rate = f"sum by (le) (rate({histogram}_bucket{{{labels}}}[$__rate_interval]))"
    parts = {"0.5": "median", "0.95": "95 %", "0.99": "99 %"}
    return Panel(title, tuple(Query(f"histogram_quantile({q}, {rate})", legend) for q, legend in parts.items()), "s", width=width)


def _numbers(*parts: tuple[str, str, str]) -> tuple[Panel, ...]:
    """A row of single numbers: title, expression, unit."""
    return tuple(_series(title, expression, unit=unit, kind="stat", width=4) for title, expression, unit in parts)


RATE: Final = "[$__rate_interval]"
FLEET: Final = 'namespace=~"$namespace"'
BY_NAME: Final = "by (namespace, kind, name)"
NAMES: Final = "{{kind}} {{name}}"

FLEET_PANELS: Final = (
    *(
        _series(
            f"{kind}s, by their phase",
            f'sum by (phase) (camstream_operator_objects{{kind="{kind}"}})',
            "{{phase}}",
            kind="stat",
            width=12,
        )
        for kind in ("Camera", "Pipeline")
    ),
    _series("Source connected", f"max {BY_NAME} (camstream_input_connected{{{FLEET}}})", NAMES, kind="state-timeline", width=12),
    _series("What is in which phase", f"max {BY_NAME[:-1]}, phase) (camstream_operator_object_phase{{{FLEET}}})", kind="table", width=12),
    _series("Frames sent", f"sum {BY_NAME} (rate(camstream_frames_sent_total{{{FLEET}}}{RATE}))", NAMES, "hertz"),
    _series(
        "Frames lost, without those that nobody wanted",
        f'sum {BY_NAME} (rate(camstream_frames_dropped_total{{{FLEET}, hop!="selection"}}{RATE}))',
        NAMES,
        "hertz",
    ),
    _series("Frames that failed", f"sum {BY_NAME} (rate(camstream_frames_failed_total{{{FLEET}}}{RATE}))", NAMES, "hertz"),
    _series(
        "Age of messages, 95 %",
        f"histogram_quantile(0.95, sum {BY_NAME[:-1]}, le) (rate(camstream_frame_age_seconds_bucket{{{FLEET}}}{RATE})))",
        NAMES,
        "s",
    ),
    _series("Bytes sent", f"sum {BY_NAME} (rate(camstream_bytes_sent_total{{{FLEET}}}{RATE}))", NAMES, "Bps"),
    _series("Readers", f"sum {BY_NAME} (camstream_clients{{{FLEET}}})", NAMES),
    _series("Cores", f"sum {BY_NAME} (rate(camstream_process_cpu_seconds_total{{{FLEET}}}{RATE}))", NAMES),
    _series("Memory", f"sum {BY_NAME} (camstream_process_resident_memory_bytes{{{FLEET}}})", NAMES, "bytes"),
    _series("Restarts", f"sum {BY_NAME} (increase(camstream_operator_object_restarts_total{{{FLEET}}}{RATE}))", NAMES),
)


def _stream_panels(kind: str) -> tuple[Panel, ...]:
    """What a camera and a pipeline have in common."""
    one = f'{FLEET}, kind="{kind}", name=~"$name"'
    return (
        *_numbers(
            ("Source connected", f"min(camstream_input_connected{{{one}}})", "bool_yes_no"),
            ("Frames sent", f"sum(rate(camstream_frames_sent_total{{{one}}}{RATE}))", "hertz"),
            ("Since the last message", f"time() - max(camstream_last_sent_timestamp_seconds{{{one}}})", "s"),
            ("Readers", f"sum(camstream_clients{{{one}}})", "short"),
            ("Background loaded", f"min(camstream_background_loaded{{{one}}})", "bool_yes_no"),
            ("Newest configuration refused", f"max(camstream_config_rejected{{{one}}})", "bool_yes_no"),
        ),
        Panel(
            "Frames",
            (
                Query(f"sum(rate(camstream_frames_received_total{{{one}}}{RATE}))", "received"),
                Query(f"sum(rate(camstream_frames_processed_total{{{one}}}{RATE}))", "processed"),
                Query(f"sum(rate(camstream_frames_sent_total{{{one}}}{RATE}))", "sent"),
                Query(f"sum(rate(camstream_frames_failed_total{{{one}}}{RATE}))", "failed"),
                Query(f"sum(rate(camstream_script_errors_total{{{one}}}{RATE}))", "failed in the script"),
                Query(f"sum(rate(camstream_pulse_id_gaps_total{{{one}}}{RATE}))", "never came, by their pulse ids"),
            ),
            "hertz",
        ),
        _series(
            "Frames lost, by the most frequent hops and reasons",
            f"topk(8, sum by (hop, reason) (rate(camstream_frames_dropped_total{{{one}}}{RATE})))",
            "{{hop}} {{reason}}",
            "hertz",
        ),
        Panel(
            "Bytes",
            (
                Query(f"sum(rate(camstream_bytes_received_total{{{one}}}{RATE}))", "received"),
                Query(f"sum(rate(camstream_bytes_sent_total{{{one}}}{RATE}))", "sent, once however many readers"),
            ),
            "Bps",
        ),
        _quantiles("Age of messages when they leave", "camstream_frame_age_seconds", one),
        _quantiles("Processing of one frame", "camstream_processing_seconds", one),
        _series("Frames that wait for processing", f"sum(camstream_queue_depth{{{one}}})"),
        Panel(
            "Connections, headers and configurations",
            (
                Query(f"sum(increase(camstream_source_reconnects_total{{{one}}}{RATE}))", "source opened again"),
                Query(f"sum(increase(camstream_header_changes_total{{{one}}}{RATE}))", "header changed"),
                Query(f"sum by (result) (increase(camstream_config_applies_total{{{one}}}{RATE}))", "configuration {{result}}"),
            ),
        ),
        _series("Cores", f"sum(rate(camstream_process_cpu_seconds_total{{{one}}}{RATE}))", "cores"),
        _series("Memory", f"sum(camstream_process_resident_memory_bytes{{{one}}})", "resident", "bytes"),
        _series("Background in use", f"max by (background) (camstream_background_info{{{one}}})", kind="table", width=12),
        _series("Version of the worker", f"max by (pod, instance, version) (camstream_build_info{{{one}}})", kind="table", width=12),
    )


FITS: Final = _series(
    "Fits that did not converge",
    f'sum by (fit) (rate(camstream_fit_failures_total{{{FLEET}, kind="Pipeline", name=~"$name"}}{RATE}))',
    "{{fit}}",
    "hertz",
)

OPERATOR: Final = "camstream_operator"
OPERATOR_PANELS: Final = (
    *_numbers(
        ("Replicas that lead", f"sum({OPERATOR}_leader)", "short"),
        ("Objects", f"sum({OPERATOR}_objects)", "short"),
        ("Keys that wait", f"sum({OPERATOR}_queue_depth)", "short"),
        ("Longest wait", f"max({OPERATOR}_queue_oldest_age_seconds)", "s"),
        ("Write until the watch shows it", f"max({OPERATOR}_canary_round_trip_seconds)", "s"),
        ("Longest silence of a watch", f"max({OPERATOR}_watch_last_event_age_seconds)", "s"),
    ),
    _series("Objects looked after", f"sum by (kind, result) (rate({OPERATOR}_reconcile_total{RATE}))", "{{kind}} {{result}}", "ops"),
    _quantiles("Time to look after one object", f"{OPERATOR}_reconcile_duration_seconds", ""),
    Panel(
        "Queue",
        (
            Query(f"sum(rate({OPERATOR}_queue_adds_total{RATE}))", "added"),
            Query(f"sum(rate({OPERATOR}_queue_retries_total{RATE}))", "put off"),
        ),
        "ops",
    ),
    _series("Requests to the API server", f"sum by (verb, code) (rate({OPERATOR}_api_requests_total{RATE}))", "{{verb}} {{code}}", "reqps"),
    _quantiles("Wait for the API server", f"{OPERATOR}_api_request_seconds", ""),
    _series(
        "Failures to look after an object, by reason",
        f"sum by (kind, reason) (increase({OPERATOR}_reconcile_errors_total{RATE}))",
        "{{kind}} {{reason}}",
    ),
    _series("Idle streams started", f"sum by (kind) (increase({OPERATOR}_wakes_total{RATE}))", "{{kind}}"),
    _series("Statuses written", f"sum by (kind) (rate({OPERATOR}_status_writes_total{RATE}))", "{{kind}}", "ops"),
    _series(
        "Children written, by cause", f"sum by (kind, cause) (rate({OPERATOR}_children_applied_total{RATE}))", "{{kind}} {{cause}}", "ops"
    ),
    Panel(
        "What should not happen",
        (
            Query(f"sum(increase({OPERATOR}_ghosts_removed_total{RATE}))", "gone without an event"),
            Query(f"sum(increase({OPERATOR}_events_dropped_total{RATE}))", "Events lost"),
            Query(f"sum(increase({OPERATOR}_lease_transitions_total{RATE}))", "lease taken or lost"),
        ),
    ),
    _quantiles("Lag of the event loop", f"{OPERATOR}_event_loop_lag_seconds", ""),
    _series("Silence of each watch", f"max by (kind) ({OPERATOR}_watch_last_event_age_seconds)", "{{kind}}", "s"),
    _series("Cores", f"sum by (pod, instance) (rate({OPERATOR}_process_cpu_seconds_total{RATE}))", "{{pod}} {{instance}}"),
    _series("Memory", f"max by (pod, instance) ({OPERATOR}_process_resident_memory_bytes)", "{{pod}} {{instance}}", "bytes"),
    _series(
        "Conditions: 1 True, 0 False, -1 Unknown",
        f'min by (condition) ({OPERATOR}_object_condition{{namespace=~".*"}})',
        "{{condition}}",
    ),
)

GATEWAY: Final = "camstream_gateway"
STORE_PANELS: Final = (
    *_numbers(
        ("Room left", f"min({GATEWAY}_store_free_bytes)", "bytes"),
        ("Room left, of all", f"min({GATEWAY}_store_free_bytes / {GATEWAY}_store_size_bytes)", "percentunit"),
        ("Backgrounds", f"max({GATEWAY}_store_files)", "short"),
        ("Their size", f"max({GATEWAY}_store_used_bytes)", "bytes"),
        ("Store answers", f"min({GATEWAY}_store_answers)", "bool_yes_no"),
        ("Viewers", f"sum({GATEWAY}_viewers)", "short"),
    ),
    Panel("Room", (Query(f"min({GATEWAY}_store_free_bytes)", "left"), Query(f"max({GATEWAY}_store_used_bytes)", "used")), "bytes"),
    _series("Backgrounds to be stored, by how that ended", f"sum by (result) (increase({GATEWAY}_store_writes_total{RATE}))", "{{result}}"),
    _series("Requests", f"sum by (route, code) (rate({GATEWAY}_requests_total{RATE}))", "{{route}} {{code}}", "reqps"),
    _quantiles("Wait for an answer", f"{GATEWAY}_request_seconds", ""),
    _series("Cores", f"sum by (pod, instance) (rate({GATEWAY}_process_cpu_seconds_total{RATE}))", "{{pod}} {{instance}}"),
    Panel(
        "Memory",
        (
            Query(f"max({GATEWAY}_process_resident_memory_bytes)", "process"),
            Query(f"max({GATEWAY}_held_bytes)", "frames and uploads"),
            Query(f"max({GATEWAY}_held_most_bytes)", "which these may take"),
        ),
        "bytes",
    ),
    _series("No memory for", f"sum by (what) (increase({GATEWAY}_no_room_total{RATE}))", "{{what}}"),
)

DASHBOARDS: Final = (
    Dashboard("fleet", "camstream: all cameras and pipelines", FLEET_PANELS),
    Dashboard("camera", "camstream: one camera", _stream_panels("Camera"), "Camera"),
    Dashboard("pipeline", "camstream: one pipeline", (*_stream_panels("Pipeline"), FITS), "Pipeline"),
    Dashboard("operator", "camstream: operator", OPERATOR_PANELS, by_namespace=False),
    Dashboard("store", "camstream: backgrounds and live page", STORE_PANELS, by_namespace=False),
)


def files() -> dict[Path, str]:
    """Each dashboard as Grafana's JSON, by its path in the repository."""
    return {FOLDER / f"{one.name}.json": json.dumps(_document(one), indent=1) + "\n" for one in DASHBOARDS}


def _document(dashboard: Dashboard) -> Json:
    return {
        "uid": f"camstream-{dashboard.name}",
        "title": dashboard.title,
        "description": NOTE,
        "tags": ["camstream"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _variables(dashboard)},
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "title": "camstream",
                "tags": ["camstream"],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
                "targetBlank": False,
                "icon": "external link",
                "tooltip": "",
                "url": "",
            }
        ],
        "panels": _placed(dashboard.panels),
    }


def _variables(dashboard: Dashboard) -> list[Json]:
    found: list[Json] = [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus", "hide": 0}]
    if dashboard.by_namespace:
        found.append(_variable("namespace", "label_values(camstream_frames_sent_total, namespace)", several=True))
    if dashboard.object_kind:
        selector = f'{FLEET}, kind="{dashboard.object_kind}"'
        found.append(_variable("name", f"label_values(camstream_frames_sent_total{{{selector}}}, name)", several=False))
    return found


def _variable(name: str, query: str, several: bool) -> Json:
    return {
        "name": name,
        "type": "query",
        "label": name,
        "hide": 0,
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        # Anew whenever the time changes.
        "refresh": 2,
        "sort": 1,
        "multi": several,
        "includeAll": several,
        "allValue": ".*" if several else None,
        "regex": "",
    }


def _placed(panels: tuple[Panel, ...]) -> list[Json]:
    """Side by side, in lines of equal height."""
    found, x, y, height = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > COLUMNS or height not in (0, HEIGHTS[panel.kind]):
            x, y, height = 0, y + height, 0
        height = HEIGHTS[panel.kind]
        found.append(_panel(panel, number) | {"gridPos": {"x": x, "y": y, "w": panel.width, "h": height}})
        x += panel.width
    return found


def _panel(panel: Panel, number: int) -> Json:
    table = panel.kind == "table"
    targets = [
        {
            "refId": chr(ord("A") + i),
            "datasource": SOURCE,
            "expr": query.expression,
            "legendFormat": query.legend or "__auto",
            "instant": table or panel.kind == "stat",
            "range": not table and panel.kind != "stat",
            "format": "table" if table else "time_series",
        }
        for i, query in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0} if panel.kind == "timeseries" else {"unit": panel.unit},
            "overrides": [],
        },
        "options": OPTIONS[panel.kind],
        # A table shows the labels, and not the 1 that all of these series have.
        "transformations": [{"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True}}}] if table else [],
    }


OPTIONS: Final[dict[str, Json]] = {
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "textMode": "auto", "colorMode": "none"},
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "table": {"showHeader": True},
    "state-timeline": {"showValue": "never", "mergeValues": True, "legend": {"showLegend": False}},
}

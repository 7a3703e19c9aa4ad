"""`/metrics` for Prometheus.

Two kinds of figures. What this process does (webhooks, requests, conversations) is counted in it: sum it
over the replicas. What the tables hold (attempts, outcomes, pace) is read at each scrape and is the same
for all replicas, except that outcomes are counted from each process's start: take the maximum over the
replicas, not the sum.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import accumulate

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from campaign.flow.reply_times import BOUNDS, ReplyTimes
from campaign.store import gauges
from campaign.store.gauges import FIRST_WORD_MS
from campaign.web.auth import guard
from campaign.web.deps import With
from campaign.wiring import Services

LATE = timedelta(seconds=5)
"""Outcomes younger than this are left for the next scrape: their transactions may still be open."""

router = APIRouter(tags=["Service"], dependencies=[guard])


class Metrics:
    """All figures of one process, in a registry of its own.

    Args:
        started: when the process started, by its clock.
    """

    def __init__(self, started: datetime) -> None:
        self.registry = CollectorRegistry()
        self.webhooks = Counter(
            "campaign_webhooks",
            "Twilio's webhooks by kind and by what was answered.",
            ["kind", "answer"],
            registry=self.registry,
        )
        self.webhook_seconds = Histogram(
            "campaign_webhook_seconds",
            "Time to answer a webhook of Twilio's.",
            ["kind"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self.registry,
        )
        self.requests = Counter(
            "campaign_api_requests",
            "Requests to the API by route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._tables = _Tables(started)
        self.registry.register(self._tables)

    async def page(self, services: Services) -> bytes:
        """The page as it is now.

        Raises:
            DatabaseUnavailable: the tables can't be read.
        """
        await self._tables.read(services)
        return generate_latest(self.registry)


class _Tables(Collector):
    """What the last reading of the tables found."""

    def __init__(self, started: datetime) -> None:
        self._through = started
        self._found: list[Metric] = []
        self._outcomes: dict[tuple[str, str], int] = defaultdict(int)
        self._first_words: dict[str, list[int]] = {}
        self._first_word_ms: dict[str, int] = defaultdict(int)

    def collect(self) -> Iterable[Metric]:
        return self._found

    async def read(self, services: Services) -> None:
        now = services.clock.now()
        until = max(now - LATE * services.clock.rate, self._through)
        after, self._through = self._through, until  # two scrapes at once count each outcome once
        try:
            async with services.db.connection() as tx:
                settled = await gauges.settled_between(tx, after, until) if after < until else []
                found = [
                    _unsettled(await gauges.unsettled(tx)),
                    *_started(await gauges.started(tx)),
                    _gauge("campaign_webhooks_waiting", "Webhooks in the inbox that are not handled yet.",
                           await gauges.waiting_events(tx)),
                    *_pace(await gauges.pace(tx), services, now),
                ]  # fmt: skip
        except BaseException:
            self._through = after
            raise
        self._add(settled)
        found.append(_gauge("campaign_talks", "Conversations in this process.", services.talks.count))
        found += _reply_times(services.talks.reply_times)
        if services.counters is not None:
            found.append(_answers(services.counters.results))
        self._found = [*found, *self._settled()]

    def _add(self, settled: Iterable[gauges.Settled]) -> None:
        for one in settled:
            self._outcomes[one.campaign, one.disposition] += one.count
            counts = self._first_words.setdefault(one.campaign, [0] * (len(FIRST_WORD_MS) + 1))
            for place, count in enumerate(one.first_words):
                counts[place] += count
            self._first_word_ms[one.campaign] += one.first_word_ms

    def _settled(self) -> Iterable[Metric]:
        outcomes = CounterMetricFamily(
            "campaign_outcomes",
            "Outcomes recorded since this process started.",
            labels=["campaign", "disposition"],
        )
        for (campaign, disposition), count in self._outcomes.items():
            outcomes.add_metric([campaign, disposition], count)
        latency = HistogramMetricFamily(
            "campaign_first_word_seconds",
            "From the answer to our first word.",
            labels=["campaign"],
        )
        bounds = [*(str(ms / 1000) for ms in FIRST_WORD_MS), "+Inf"]
        for campaign, counts in self._first_words.items():
            total = self._first_word_ms[campaign] / 1000
            latency.add_metric([campaign], list(zip(bounds, counts, strict=True)), total)
        return [outcomes, latency]


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


def _unsettled(counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(
        "campaign_attempts_unsettled", "Attempts under way or unclear, by state.", labels=["state"]
    )
    for state in ("placing", "unknown", "placed", "ringing", "answered"):
        family.add_metric([state], counts.get(state, 0))
    return family


def _answers(results: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(
        "campaign_calls_sent",
        "Calls that this process sent to Twilio since it started, by what was answered.",
        labels=["answer"],
    )
    for answer, count in results.items():
        family.add_metric([answer], count)
    return family


def _reply_times(times: ReplyTimes) -> list[Metric]:
    latency = HistogramMetricFamily(
        "campaign_reply_first_word_seconds",
        "From the person's last word to the first of the agent's reply, by the profile that spoke.",
        labels=["profile"],
    )
    bounds = [*map(str, BOUNDS), "+Inf"]
    for profile, one in times.times.items():
        latency.add_metric([profile], list(zip(bounds, accumulate(one.buckets), strict=True)), one.seconds)
    failures = CounterMetricFamily(
        "campaign_reply_failures",
        "Replies that failed or took too long, by profile; another profile answered.",
        labels=["profile"],
    )
    for profile, count in times.failures.items():
        failures.add_metric([profile], count)
    return [latency, failures]


def _started(rows: Iterable[tuple[str, int, float]]) -> list[Metric]:
    attempts = CounterMetricFamily("campaign_attempts", "Attempts since ever.", labels=["campaign"])
    spent = GaugeMetricFamily("campaign_spent", "Money spent since ever.", labels=["campaign"])
    for name, count, money in rows:
        attempts.add_metric([name], count)
        spent.add_metric([name], money)
    return [attempts, spent]


def _pace(pace: gauges.Pace | None, services: Services, now: datetime) -> list[Metric]:
    limit = services.settings.twilio_calls_per_second
    found = [_gauge("campaign_calls_per_second_limit", "Calls a second that the account allows.", limit)]
    if pace is not None:
        booked = max((pace.next_slot_at - now).total_seconds(), 0)
        held = max((pace.held_until - now).total_seconds(), 0) if pace.held_until else 0
        found += [
            _gauge("campaign_pace_booked_seconds", "How far ahead calls have their slots.", booked),
            _gauge("campaign_pace_held_seconds", "How long all dialling is still held.", held),
            _gauge("campaign_place_failures", "Failures to place a call in a row.", pace.failures),
        ]
    return found


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus' text format"}},
)
async def metrics(request: Request, services: With) -> Response:
    """Attempts, outcomes, first-word latency, pace, conversations and webhooks."""
    kept: Metrics = request.app.state.metrics
    return Response(await kept.page(services), media_type=CONTENT_TYPE_LATEST)


class CountRequests:
    """ASGI: count the API's requests by route and status; paths without a route are one."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/twilio/"):
            await self._app(scope, receive, send)
            return
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.requests.labels(scope["method"], route, str(status)).inc()

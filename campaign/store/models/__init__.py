"""All tables. Alembic's migrations make them; these rooms say what they mean.

One dialect: PostgreSQL 15 or newer. Every constraint has a name. Times are `timestamptz` and written from
the service's clock (`:now`), never by the database. Words are the glossary's (docs/glossary.md).

    contact_lists ─< imports ─< rejected_rows        dnc_lists ─< dnc_entries
                                                     dnc_lists ─< registry_versions ─< registry_blocks,
                                                                                       registry_rejects
          └────────< contacts
    campaigns ─< campaign_versions, campaign_lists, campaign_dnc_lists, campaign_log, campaign_spend
          └────< campaign_contacts ─< decisions
                        └──────────< attempts ─< call_events, conversation_sessions ─< conversation_turns
                                         └─────< recoveries, answers, recordings, outcomes (one, at the end)
    campaigns ─< rule_waivers       rule_registrations, region_pauses: of the whole installation
"""

from campaign.store.models.attempts import (
    answers,
    attempts,
    call_events,
    conversation_sessions,
    conversation_turns,
    outcomes,
    recordings,
    recoveries,
    wrap_ups,
)
from campaign.store.models.base import metadata
from campaign.store.models.campaigns import (
    caller_id_days,
    campaign_contacts,
    campaign_dnc_lists,
    campaign_enrolments,
    campaign_lists,
    campaign_log,
    campaign_spend,
    campaign_versions,
    campaigns,
    decisions,
    studies,
)
from campaign.store.models.dnc import (
    consent_revocations,
    dnc_entries,
    dnc_lists,
    registry_blocks,
    registry_rejects,
    registry_versions,
)
from campaign.store.models.installation import (
    api_keys,
    audit_log,
    failed_sign_ins,
    installation,
    leases,
    one_time_links,
    pace,
    replicas,
    sign_ins,
    users,
)
from campaign.store.models.law import region_pauses, rule_registrations, rule_waivers
from campaign.store.models.leaving import exports, webhook_deliveries, webhook_endpoints
from campaign.store.models.lists import contact_lists, contacts, imports, rejected_rows
from campaign.store.models.lookups import lookup_holds, number_lookups
from campaign.store.models.rollups import (
    DAY_COUNTS,
    DIMENSIONS,
    report_cohorts,
    report_days,
    report_dispositions,
    report_enrolled,
    report_facts,
    report_first_words,
    report_hours,
    report_queue,
    report_recoveries,
    report_state,
    report_tries,
)

__all__ = [
    "DAY_COUNTS",
    "DIMENSIONS",
    "answers",
    "api_keys",
    "attempts",
    "audit_log",
    "call_events",
    "caller_id_days",
    "campaign_contacts",
    "campaign_dnc_lists",
    "campaign_enrolments",
    "campaign_lists",
    "campaign_log",
    "campaign_spend",
    "campaign_versions",
    "campaigns",
    "consent_revocations",
    "contact_lists",
    "contacts",
    "conversation_sessions",
    "conversation_turns",
    "decisions",
    "dnc_entries",
    "dnc_lists",
    "exports",
    "failed_sign_ins",
    "imports",
    "installation",
    "leases",
    "lookup_holds",
    "metadata",
    "number_lookups",
    "one_time_links",
    "outcomes",
    "pace",
    "recordings",
    "recoveries",
    "region_pauses",
    "registry_blocks",
    "registry_rejects",
    "registry_versions",
    "rejected_rows",
    "replicas",
    "report_cohorts",
    "report_days",
    "report_dispositions",
    "report_enrolled",
    "report_facts",
    "report_first_words",
    "report_hours",
    "report_queue",
    "report_recoveries",
    "report_state",
    "report_tries",
    "rule_registrations",
    "rule_waivers",
    "sign_ins",
    "studies",
    "users",
    "webhook_deliveries",
    "webhook_endpoints",
    "wrap_ups",
]

//! `/global/spend`, `/global/spend/*`, `/global/activity`: what all together have spent and done.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Object,
    fields::Count,
    logs::{account, keys, or_null, tokens},
    object, rows,
    spend::{DAY, Days, by_model},
};
use crate::{
    admin::{
        input::{Anything, Time},
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    store::{
        List, now,
        report::{By, Sum, Which},
        teams::Team,
    },
};

/// How many sums an answer is made from.
const MAX_SUMS: i64 = 50_000;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The last thirty days.
fn month() -> Which {
    let today = now() - now() % DAY;
    Which {
        from: Some(today - 30 * DAY),
        ..Which::default()
    }
}

fn day(sum: &Sum, at: usize) -> Time {
    Time(of(sum, at).parse().unwrap_or(0))
}

fn of(sum: &Sum, at: usize) -> &str {
    sum.of.get(at).map_or("", String::as_str)
}

/// `Jan 22`.
pub(super) fn short(day: Time) -> String {
    let text = day.day();
    let month = text.get(5..7).and_then(|month| month.parse::<usize>().ok());
    let name = month.and_then(|month| MONTHS.get(month.checked_sub(1)?));
    format!("{} {}", name.unwrap_or(&""), text.get(8..).unwrap_or(""))
}

/// Answers what all have spent.
pub(in crate::admin) struct Spend;

impl Operation for Spend {
    const ROUTE: Route = Route::get(
        "/global/spend",
        Reach::All,
        "What all have spent in thirty days.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        let sums = call.store()?.report(&month(), &[], 1).await?;
        let spend = sums.first().map(|sum| sum.cost).unwrap_or_default();
        Ok(object(
            json!({"spend": rows::dollars(spend), "max_budget": 0.0}),
        ))
    }
}

/// Which key.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct LogQuery {
    api_key: Option<String>,
}

/// Answers what each day cost.
pub(in crate::admin) struct Logs;

impl Operation for Logs {
    const ROUTE: Route = Route::get(
        "/global/spend/logs",
        Reach::All,
        "What each of the last thirty days has cost.",
    )
    .of_litellm();
    type Query = LogQuery;
    type Body = Anything;
    type Answer = Vec<Object>;

    async fn run(call: Call, query: LogQuery, _: Anything) -> Result<Vec<Object>, Refusal> {
        let mut which = month();
        if let Some(key) = &query.api_key {
            which.account = Some(account(&call, key).await?);
        }
        let sums = call.store()?.report(&which, &[By::Day], MAX_SUMS).await?;
        let row = |sum: &Sum| {
            let mut row =
                object(json!({"date": day(sum, 0).day(), "spend": rows::dollars(sum.cost)}));
            if let Some(key) = &query.api_key {
                row.insert("api_key".into(), key.clone().into());
            }
            row
        };
        Ok(sums.iter().map(row).collect())
    }
}

/// How many.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct LimitQuery {
    limit: Option<Count>,
}

impl LimitQuery {
    fn limit(&self, usual: i64) -> Result<i64, Refusal> {
        match self.limit {
            None => Ok(usual),
            Some(Count(limit @ 1..=1000)) => Ok(i64::try_from(limit).unwrap_or(usual)),
            Some(_) => Err(Refusal::invalid(
                Some("limit"),
                "`limit` is a number from 1 to 1000.",
            )),
        }
    }
}

/// Answers what each key has spent.
pub(in crate::admin) struct Keys;

impl Operation for Keys {
    const ROUTE: Route = Route::get(
        "/global/spend/keys",
        Reach::All,
        "Keys by what they have spent in thirty days.",
    )
    .of_litellm();
    type Query = LimitQuery;
    type Body = Anything;
    type Answer = Vec<Object>;

    async fn run(call: Call, query: LimitQuery, _: Anything) -> Result<Vec<Object>, Refusal> {
        let limit = query.limit(1000)?;
        let sums = call.store()?.report(&month(), &[By::Key], limit).await?;
        let known = keys(
            &call,
            sums.iter().map(|sum| of(sum, 0).to_owned()).collect(),
        )
        .await?;
        let row = |sum: &Sum| {
            let key = known.get(of(sum, 0));
            let token = key.map_or_else(|| of(sum, 0).to_owned(), |key| key.token());
            object(json!({
                "api_key": token, "key_alias": key.and_then(|key| key.label.as_ref()).or(sum.label.as_ref()),
                "key_name": key.map(|key| key.masked.replace('…', "...")),
                "total_spend": rows::dollars(sum.cost),
            }))
        };
        Ok(sums.iter().map(row).collect())
    }
}

/// Answers what each model has cost.
pub(in crate::admin) struct Models;

impl Operation for Models {
    const ROUTE: Route = Route::get(
        "/global/spend/models",
        Reach::All,
        "Models by what they have cost in thirty days.",
    )
    .of_litellm();
    type Query = LimitQuery;
    type Body = Anything;
    type Answer = Vec<Object>;

    async fn run(call: Call, query: LimitQuery, _: Anything) -> Result<Vec<Object>, Refusal> {
        by_model(&call, &month(), query.limit(10)?).await
    }
}

/// Answers what each team has spent.
pub(in crate::admin) struct Teams;

impl Operation for Teams {
    const ROUTE: Route = Route::get(
        "/global/spend/teams",
        Reach::All,
        "What each team has spent on each of the last thirty days.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        let store = call.store()?;
        let sums = store
            .report(&month(), &[By::Day, By::Team], MAX_SUMS)
            .await?;
        let names = team_names(&call, sums.iter().map(|sum| of(sum, 1))).await?;
        let mut days: BTreeMap<String, Object> = BTreeMap::new();
        let mut teams: BTreeMap<String, f64> = BTreeMap::new();
        for sum in &sums {
            let id = of(sum, 1);
            let name = names.get(id).map_or(
                if id.is_empty() { "Unassigned" } else { id },
                String::as_str,
            );
            let spend = sum.cost.dollars();
            let day = day(sum, 0).day();
            let row = days
                .entry(day.clone())
                .or_insert_with(|| object(json!({"date": day})));
            let before = row.get(name).and_then(Value::as_f64).unwrap_or(0.0);
            row.insert(name.to_owned(), json!(before + spend));
            *teams.entry(name.to_owned()).or_default() += spend;
        }
        let mut totals: Vec<(&String, &f64)> = teams.iter().collect();
        totals.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let totals: Vec<Value> = totals
            .iter()
            .take(10)
            .map(|(team, spend)| json!({"team_id": team, "total_spend": spend}))
            .collect();
        Ok(object(json!({
            "daily_spend": days.values().collect::<Vec<_>>(), "teams": teams.keys().collect::<Vec<_>>(),
            "total_spend_per_team": totals,
        })))
    }
}

/// What people call teams, by their ids.
pub(super) async fn team_names<'a>(
    call: &Call,
    ids: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, String>, Refusal> {
    let mut ids: Vec<String> = ids.filter(|id| !id.is_empty()).map(str::to_owned).collect();
    ids.sort_unstable();
    ids.dedup();
    let store = call.store()?;
    let mut names = BTreeMap::new();
    for some in ids.chunks(500) {
        let list = List::default().any_of("id", some.to_vec());
        for team in store.list::<Team>(&list).await? {
            names.extend(team.alias.map(|alias| (team.id, alias)));
        }
    }
    Ok(names)
}

/// Whose requests, and of when.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct EndUserBody {
    api_key: Option<String>,
    #[serde(rename = "startTime")]
    start_time: Option<Time>,
    #[serde(rename = "endTime")]
    end_time: Option<Time>,
}

/// Answers what was spent on whose behalf.
pub(in crate::admin) struct EndUsers;

impl Operation for EndUsers {
    const ROUTE: Route = Route::post(
        "/global/spend/end_users",
        Reach::All,
        "The hundred end users who have cost the most in thirty days.",
    )
    .reads()
    .of_litellm();
    type Query = Anything;
    type Body = EndUserBody;
    type Answer = Vec<Object>;

    async fn run(call: Call, _: Anything, body: EndUserBody) -> Result<Vec<Object>, Refusal> {
        let mut which = month();
        which.from = body.start_time.map(|time| time.0).or(which.from);
        which.until = body.end_time.map(|time| time.0);
        if let Some(key) = &body.api_key {
            which.account = Some(account(&call, key).await?);
        }
        let sums = call.store()?.end_users(&which, 100).await?;
        let row = |sum: &crate::store::report::EndUserSum| {
            object(json!({
                "end_user": sum.end_user, "total_count": sum.requests,
                "total_spend": rows::dollars(sum.cost),
            }))
        };
        Ok(sums.iter().map(row).collect())
    }
}

/// Answers what each provider has cost.
pub(in crate::admin) struct Providers;

impl Operation for Providers {
    const ROUTE: Route = Route::get(
        "/global/spend/provider",
        Reach::All,
        "What each provider has cost between two dates.",
    )
    .of_litellm();
    type Query = Days;
    type Body = Anything;
    type Answer = Vec<Object>;

    async fn run(call: Call, days: Days, _: Anything) -> Result<Vec<Object>, Refusal> {
        let store = call.store()?;
        let sums = store.report(&days.needed()?, &[By::Provider], 1000).await?;
        let asked = sums.iter().filter(|sum| !of(sum, 0).is_empty());
        Ok(asked
            .map(|sum| object(json!({"provider": of(sum, 0), "spend": rows::dollars(sum.cost)})))
            .collect())
    }
}

/// Answers what each tag has cost.
pub(in crate::admin) struct Tags;

impl Operation for Tags {
    const ROUTE: Route = Route::get(
        "/global/spend/tags",
        Reach::All,
        "What each tag has cost between two dates.",
    )
    .of_litellm();
    type Query = Days;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, days: Days, _: Anything) -> Result<Object, Refusal> {
        let store = call.store()?;
        let sums = store.report(&days.needed()?, &[By::Tag], 1000).await?;
        let row = |sum: &Sum| {
            json!({
                "name": of(sum, 0), "spend": rows::dollars(sum.cost), "log_count": sum.requests,
            })
        };
        Ok(object(
            json!({ "spend_per_tag": sums.iter().map(row).collect::<Vec<_>>() }),
        ))
    }
}

/// Lists tags.
pub(in crate::admin) struct TagNames;

impl Operation for TagNames {
    const ROUTE: Route =
        Route::get("/global/spend/all_tag_names", Reach::All, "Lists tags.").of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        let store = call.store()?;
        let sums = store.report(&Which::default(), &[By::Tag], 10_000).await?;
        let names: Vec<&str> = sums.iter().map(|sum| of(sum, 0)).collect();
        Ok(object(json!({ "tag_names": names })))
    }
}

/// By what a report is told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ReportBy {
    #[default]
    Team,
    Customer,
    ApiKey,
}

/// Which requests a report is of.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct ReportQuery {
    start_date: Option<Time>,
    end_date: Option<Time>,
    group_by: Option<ReportBy>,
    api_key: Option<String>,
    internal_user_id: Option<String>,
    team_id: Option<String>,
}

/// Answers a report.
pub(in crate::admin) struct Report;

impl Operation for Report {
    const ROUTE: Route = Route::get(
        "/global/spend/report",
        Reach::All,
        "What teams, customers or keys have spent between two dates.",
    )
    .of_litellm();
    type Query = ReportQuery;
    type Body = Anything;
    type Answer = Vec<Object>;

    async fn run(call: Call, query: ReportQuery, _: Anything) -> Result<Vec<Object>, Refusal> {
        let days = Days {
            start_date: query.start_date,
            end_date: query.end_date,
        };
        let mut which = days.needed()?;
        which.user = query.internal_user_id;
        which.team = query.team_id;
        if let Some(key) = &query.api_key {
            which.account = Some(account(&call, key).await?);
        }
        let is_by_key = query.api_key.is_some() || which.user.is_some();
        match query.group_by.unwrap_or_default() {
            ReportBy::ApiKey => by_key(&call, &which).await,
            _ if is_by_key => by_key(&call, &which).await,
            ReportBy::Customer => {
                let sums = call.store()?.end_users(&which, 1000).await?;
                let row = |sum: &crate::store::report::EndUserSum| {
                    object(json!({
                        "customer": sum.end_user, "total_spend": rows::dollars(sum.cost),
                        "log_count": sum.requests,
                    }))
                };
                Ok(sums.iter().map(row).collect())
            }
            ReportBy::Team => by_team(&call, &which).await,
        }
    }
}

async fn by_key(call: &Call, which: &Which) -> Result<Vec<Object>, Refusal> {
    let store = call.store()?;
    let sums = store.report(which, &[By::Key, By::Model], MAX_SUMS).await?;
    let ids: Vec<String> = sums.iter().map(|sum| of(sum, 0).to_owned()).collect();
    let tokens = tokens(call, ids.iter()).await?;
    let mut of_key: BTreeMap<&str, Vec<&Sum>> = BTreeMap::new();
    for sum in &sums {
        of_key.entry(of(sum, 0)).or_default().push(sum);
    }
    let mut report: Vec<Object> = of_key
        .iter()
        .map(|(key, sums)| {
            let details: Vec<Value> = sums
                .iter()
                .map(|sum| {
                    json!({
                        "model": of(sum, 1), "total_cost": rows::dollars(sum.cost),
                        "total_input_tokens": sum.input_tokens, "total_output_tokens": sum.output_tokens,
                    })
                })
                .collect();
            let whole: crate::price::Usd = sums.iter().map(|sum| sum.cost).sum();
            object(json!({
                "api_key": tokens.get(*key).map_or(*key, String::as_str), "total_cost": rows::dollars(whole),
                "total_input_tokens": sums.iter().map(|sum| sum.input_tokens).sum::<i64>(),
                "total_output_tokens": sums.iter().map(|sum| sum.output_tokens).sum::<i64>(),
                "model_details": details,
            }))
        })
        .collect();
    let cost = |row: &Object| row.get("total_cost").and_then(Value::as_f64).unwrap_or(0.0);
    report.sort_by(|a, b| cost(b).total_cmp(&cost(a)));
    Ok(report)
}

async fn by_team(call: &Call, which: &Which) -> Result<Vec<Object>, Refusal> {
    let store = call.store()?;
    let by = [By::Day, By::Team, By::Key, By::Model];
    let sums = store.report(which, &by, MAX_SUMS).await?;
    let names = team_names(call, sums.iter().map(|sum| of(sum, 1))).await?;
    let ids: Vec<String> = sums.iter().map(|sum| of(sum, 2).to_owned()).collect();
    let tokens = tokens(call, ids.iter()).await?;
    let mut days: BTreeMap<i64, BTreeMap<&str, Vec<&Sum>>> = BTreeMap::new();
    for sum in &sums {
        let teams = days.entry(day(sum, 0).0).or_default();
        teams.entry(of(sum, 1)).or_default().push(sum);
    }
    let team = |(id, sums): (&&str, &Vec<&Sum>)| {
        let whole: crate::price::Usd = sums.iter().map(|sum| sum.cost).sum();
        let metadata: Vec<Value> = sums
            .iter()
            .map(|sum| {
                json!({
                    "model": of(sum, 3), "spend": rows::dollars(sum.cost),
                    "total_tokens": sum.input_tokens + sum.output_tokens,
                    "api_key": tokens.get(of(sum, 2)).map_or(of(sum, 2), String::as_str),
                })
            })
            .collect();
        json!({
            "team_name": names.get(*id).map_or_else(|| or_null(id), |name| json!(name)), "team_id": or_null(id),
            "total_spend": rows::dollars(whole), "metadata": metadata,
        })
    };
    let row = |(day, teams): (&i64, &BTreeMap<&str, Vec<&Sum>>)| {
        let teams: Vec<Value> = teams.iter().map(team).collect();
        object(json!({"group_by_day": Time(*day), "teams": teams}))
    };
    Ok(days.iter().map(row).collect())
}

/// Begins all budgets of keys and teams anew.
pub(in crate::admin) struct Reset;

impl Operation for Reset {
    const ROUTE: Route = Route::post(
        "/global/spend/reset",
        Reach::All,
        "All keys and teams have spent nothing in their budgets' periods. The log stays.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        let is_master = call
            .caller
            .identity
            .as_ref()
            .is_none_or(|identity| identity.master);
        if !is_master {
            return Err(Refusal::forbidden(
                "Only the master key resets all spending.",
            ));
        }
        call.gateway.reset_spent(&*call.store()?).await?;
        Ok(object(json!({
            "message": "Spend for all API Keys and Teams reset successfully", "status": "success",
        })))
    }
}

fn activity(sums: &[&Sum], at: usize) -> Object {
    let daily: Vec<Value> = sums
        .iter()
        .map(|sum| {
            json!({
                "date": short(day(sum, at)), "api_requests": sum.requests,
                "total_tokens": sum.input_tokens + sum.output_tokens,
            })
        })
        .collect();
    object(json!({
        "daily_data": daily, "sum_api_requests": sums.iter().map(|sum| sum.requests).sum::<i64>(),
        "sum_total_tokens": sums.iter().map(|sum| sum.input_tokens + sum.output_tokens).sum::<i64>(),
    }))
}

/// Answers how many requests there were.
pub(in crate::admin) struct Activity;

impl Operation for Activity {
    const ROUTE: Route = Route::get(
        "/global/activity",
        Reach::All,
        "Requests and tokens of each day between two dates.",
    )
    .of_litellm();
    type Query = Days;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, days: Days, _: Anything) -> Result<Object, Refusal> {
        let store = call.store()?;
        let sums = store.report(&days.needed()?, &[By::Day], MAX_SUMS).await?;
        Ok(activity(&sums.iter().collect::<Vec<_>>(), 0))
    }
}

/// The same by model.
pub(in crate::admin) struct ActivityByModel;

impl Operation for ActivityByModel {
    const ROUTE: Route = Route::get(
        "/global/activity/model",
        Reach::All,
        "Requests and tokens of each day between two dates, for the ten models with the most requests.",
    )
    .of_litellm();
    type Query = Days;
    type Body = Anything;
    type Answer = Vec<Object>;

    async fn run(call: Call, days: Days, _: Anything) -> Result<Vec<Object>, Refusal> {
        let store = call.store()?;
        let sums = store
            .report(&days.needed()?, &[By::Day, By::Model], MAX_SUMS)
            .await?;
        let mut models: BTreeMap<&str, Vec<&Sum>> = BTreeMap::new();
        for sum in sums.iter().filter(|sum| !of(sum, 1).is_empty()) {
            models.entry(of(sum, 1)).or_default().push(sum);
        }
        let mut models: Vec<(&str, Vec<&Sum>)> = models.into_iter().collect();
        let count = |sums: &[&Sum]| sums.iter().map(|sum| sum.requests).sum::<i64>();
        models.sort_by_key(|(_, sums)| std::cmp::Reverse(count(sums)));
        let row = |(model, sums): &(&str, Vec<&Sum>)| {
            let mut row = activity(sums, 0);
            row.insert("model".into(), (*model).into());
            row
        };
        Ok(models.iter().take(10).map(row).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_as_the_dashboard_wants_them() {
        assert_eq!(short(Time::parse("2026-01-22").unwrap()), "Jan 22");
        assert_eq!(short(Time::parse("2026-12-02").unwrap()), "Dec 02");
    }
}

//! `/spend/keys`, `/spend/users`, `/spend/tags`, `/spend/models`, `/spend/calculate`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Object, fields::Count, object, rows};
use crate::{
    admin::{
        input::{Anything, Time},
        keys::reach,
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    chat::{estimate, usage::Usage},
    dialects::{self, Dialect, openai_chat::OpenAiChat},
    price::Price,
    store::{
        List,
        keys::Key,
        report::{By, Which},
        users::User,
    },
};

/// How many a list holds.
const MAX_LISTED: i64 = 1000;
pub(super) const DAY: i64 = 86_400_000;

/// Which days, both included.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct Days {
    /// The first: `2026-01-01`.
    pub(super) start_date: Option<Time>,
    /// The last: `2026-01-31`.
    pub(super) end_date: Option<Time>,
}

impl Days {
    /// The requests of those days.
    pub(super) fn which(&self) -> Which {
        Which {
            from: self.start_date.map(|day| day.0),
            until: self.end_date.map(|day| day.0.saturating_add(DAY)),
            ..Which::default()
        }
    }

    /// The same, where both are needed.
    ///
    /// # Errors
    /// 400.
    pub(super) fn needed(&self) -> Result<Which, Refusal> {
        match (self.start_date, self.end_date) {
            (Some(_), Some(_)) => Ok(self.which()),
            _ => Err(Refusal::invalid(
                Some("start_date"),
                "Please provide start_date and end_date, such as 2026-01-01.",
            )),
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct PageQuery {
    /// Which page, of at most a thousand; the first unless said.
    page: Option<Count>,
}

impl PageQuery {
    fn page(&self, list: List) -> List {
        let page = self.page.map_or(1, |page| page.0).max(1);
        let offset = i64::try_from(page - 1).unwrap_or(i64::MAX);
        list.page(MAX_LISTED, offset.saturating_mul(MAX_LISTED))
    }
}

/// Lists keys by what they have spent.
pub(in crate::admin) struct Keys;

impl Operation for Keys {
    const ROUTE: Route = Route::get(
        "/spend/keys",
        Reach::Anyone,
        "Keys, those that have spent the most first; a thousand at once.",
    )
    .of_litellm();
    type Query = PageQuery;
    type Body = Anything;
    type Answer = Vec<Object>;

    async fn run(call: Call, query: PageQuery, _: Anything) -> Result<Vec<Object>, Refusal> {
        let list = reach::seen_by(&call.caller, List::default()).sorted("spend", true);
        let keys = call.store()?.list::<Key>(&query.page(list)).await?;
        Ok(keys.iter().map(rows::key).collect())
    }
}

/// Which users.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct UserQuery {
    user_id: Option<String>,
    page: Option<Count>,
}

/// Lists users by what they have spent.
pub(in crate::admin) struct Users;

impl Operation for Users {
    const ROUTE: Route = Route::get(
        "/spend/users",
        Reach::All,
        "Users, those that have spent the most first; a thousand at once.",
    )
    .of_litellm();
    type Query = UserQuery;
    type Body = Anything;
    type Answer = Vec<Object>;

    async fn run(call: Call, query: UserQuery, _: Anything) -> Result<Vec<Object>, Refusal> {
        let mut list = List::default().sorted("spend", true);
        if let Some(user) = &query.user_id {
            list = list.equals("id", user);
        }
        let page = PageQuery { page: query.page };
        let store = call.store()?;
        let users = store.list::<User>(&page.page(list)).await?;
        Ok(users.iter().map(|user| rows::user(user, &[])).collect())
    }
}

/// Sums up by tag.
pub(in crate::admin) struct Tags;

impl Operation for Tags {
    const ROUTE: Route =
        Route::get("/spend/tags", Reach::All, "What each tag has cost.").of_litellm();
    type Query = Days;
    type Body = Anything;
    type Answer = Vec<Object>;

    async fn run(call: Call, days: Days, _: Anything) -> Result<Vec<Object>, Refusal> {
        let store = call.store()?;
        let sums = store.report(&days.which(), &[By::Tag], MAX_LISTED).await?;
        let row = |sum: &crate::store::report::Sum| {
            object(json!({
                "individual_request_tag": sum.of.first(), "log_count": sum.requests,
                "total_spend": rows::dollars(sum.cost),
            }))
        };
        Ok(sums.iter().map(row).collect())
    }
}

/// Sums up by model.
pub(in crate::admin) struct Models;

impl Operation for Models {
    const ROUTE: Route = Route::get(
        "/spend/models",
        Reach::All,
        "What each model has cost, the costliest first.",
    )
    .of_litellm();
    type Query = Days;
    type Body = Anything;
    type Answer = Vec<Object>;

    async fn run(call: Call, days: Days, _: Anything) -> Result<Vec<Object>, Refusal> {
        by_model(&call, &days.which(), MAX_LISTED).await
    }
}

/// What each model has cost that somebody served.
pub(super) async fn by_model(
    call: &Call,
    which: &Which,
    limit: i64,
) -> Result<Vec<Object>, Refusal> {
    let sums = call.store()?.report(which, &[By::Model], limit).await?;
    let served = sums
        .iter()
        .filter(|sum| sum.of.first().is_some_and(|model| !model.is_empty()));
    Ok(served
        .map(|sum| object(json!({"model": sum.of.first(), "total_spend": rows::dollars(sum.cost)})))
        .collect())
}

/// What is to be priced.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct Calculation {
    model: Option<String>,
    messages: Option<Vec<Value>>,
    completion_response: Option<Object>,
}

/// Answers what something costs.
pub(in crate::admin) struct Calculate;

impl Operation for Calculate {
    const ROUTE: Route = Route::post(
        "/spend/calculate",
        Reach::Anyone,
        "What a prompt or an answer costs.",
    )
    .reads()
    .of_litellm();
    type Query = Anything;
    type Body = Calculation;
    type Answer = Object;

    async fn run(call: Call, _: Anything, asked: Calculation) -> Result<Object, Refusal> {
        let (model, usage) = match (&asked.model, &asked.completion_response) {
            (Some(model), _) => (model.clone(), of_prompt(&asked)?),
            (None, Some(answer)) => of_answer(answer)?,
            (None, None) => {
                let message = "Either `model` or `completion_response` must be provided.";
                return Err(Refusal::invalid(Some("model"), message));
            }
        };
        let Some(price) = price(&call, &model) else {
            let message = format!("The price of `{model}` is not known.");
            return Err(Refusal::invalid(Some("model"), message));
        };
        Ok(object(json!({"cost": rows::dollars(price.cost(&usage))})))
    }
}

fn of_prompt(asked: &Calculation) -> Result<Usage, Refusal> {
    let Some(messages) = &asked.messages else {
        let message = "`messages` must be provided where `model` is.";
        return Err(Refusal::invalid(Some("messages"), message));
    };
    let body = json!({"model": asked.model, "messages": messages});
    let read = OpenAiChat.read_request(body, &dialects::Route::default())?;
    Ok(Usage {
        input: estimate::tokens(&read.request),
        ..Usage::default()
    })
}

fn of_answer(answer: &Object) -> Result<(String, Usage), Refusal> {
    let model = answer.get("model").and_then(Value::as_str);
    // Whatever the log would count of it.
    let bytes = serde_json::to_vec(answer).unwrap_or_default();
    let (Some(model), Some(usage)) = (model, OpenAiChat.read_usage(&bytes, false)) else {
        let message = "`completion_response` has a `model` and a `usage`.";
        return Err(Refusal::invalid(Some("completion_response"), message));
    };
    Ok((model.to_owned(), usage))
}

/// The price of a model by any of its names: a client's, `provider/model`, or a provider's own.
fn price<'c>(call: &'c Call, name: &str) -> Option<&'c Price> {
    let snapshot = &*call.snapshot;
    let served = super::models::served(snapshot, name);
    let of_target =
        served.and_then(|(provider, model)| super::models::price(snapshot, &provider, &model));
    let with_provider = || {
        let (provider, model) = name.split_once('/')?;
        super::models::price(snapshot, provider, model)
    };
    let of_any = || {
        // What runs on one's own machine is free whatever its name: that says nothing of this one.
        let prices = &snapshot.config.pricing.prices;
        let mut kinds = crate::providers::catalog().iter();
        kinds.find_map(|(kind, entry)| prices.price(kind, name).filter(|_| !entry.local))
    };
    of_target.or_else(with_provider).or_else(of_any)
}

//! `grpc.health.v1`: whether calls should be sent here. It follows the phases, so nobody has to keep it up to date.

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tonic::{Request, Response, Result, Status, async_trait, server::NamedService};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server};

use super::{calls::open_ended, key_value::KeyValue, v1::key_value_server::KeyValueServer};
use crate::lifecycle::{Phase, Phases};

/// Answers from the phases.
#[derive(Debug)]
pub(super) struct Health {
    /// Where the service stands.
    phases: Phases,
}

impl Health {
    pub(super) fn new(phases: Phases) -> Self {
        Self { phases }
    }

    fn status(&self) -> ServingStatus {
        match self.phases.current() {
            Phase::Ready => ServingStatus::Serving,
            Phase::Starting | Phase::Stopping | Phase::Draining | Phase::Stopped => ServingStatus::NotServing,
        }
    }
}

/// Whether there is a service of this name whose health can be asked for; the empty name is that of the whole.
fn is_known(service: &str) -> bool {
    ["", KeyValueServer::<KeyValue>::NAME].contains(&service)
}

#[async_trait]
impl health_server::Health for Health {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>> {
        if !is_known(&request.get_ref().service) {
            return Err(Status::not_found("there is no such service"));
        }
        Ok(Response::new(said(self.status())))
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse>>;

    /// Says how it stands, and again when that changes. A service that is not known may become so in a later version,
    /// so the protocol has its stream stay open.
    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>> {
        let status = match is_known(&request.get_ref().service) {
            true => self.status(),
            false => ServingStatus::ServiceUnknown,
        };
        let phases = self.phases.clone();
        let change = async move {
            match status {
                ServingStatus::Serving => phases.reached(Phase::Stopping).await,
                // Stopping is for good.
                _ => std::future::pending().await,
            }
            ServingStatus::NotServing
        };
        let statuses = stream::iter([status]).chain(stream::once(change)).chain(stream::pending());
        Ok(open_ended(Response::new(statuses.map(|status| Ok(said(status))).boxed()), &self.phases))
    }
}

fn said(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

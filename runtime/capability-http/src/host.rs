//! The WIT functions of `sluice:http`.

use crate::NAME;
use crate::bindings::sluice::http::http::{self, Request};
use crate::config::Endpoints;
use crate::request::send;
use crate::response::Response;
use crate::streaming::BodySink;
use sluice_capability::bindings::errors::Error;
use sluice_capability::state::{ByteSink, Output};
use sluice_capability::{CapabilityError, GuestState, HostResult};
use std::sync::Arc;
use wasmtime::component::Resource;

fn endpoints(state: &mut GuestState) -> Result<Arc<Endpoints>, Error> {
    if let Some(endpoints) = state.capability::<Arc<Endpoints>>(NAME) {
        return Ok(endpoints.clone());
    }
    let remedy = "its plugin must declare the capability \"http\" and its config name an endpoint";
    Err(CapabilityError::not_granted("the capability \"http\"", &state.identity.connector, remedy))
}

impl http::Host for GuestState {
    async fn send(&mut self, request: Request, body: Option<Vec<u8>>) -> HostResult<Resource<Response>> {
        let endpoints = match endpoints(self) {
            Ok(endpoints) => endpoints,
            Err(error) => return Ok(Err(error)),
        };
        let answer = send(&endpoints, &request, body).await;
        self.entered_host();
        match answer {
            Ok(response) => Ok(Ok(self.table.push(response)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn send_streaming(&mut self, request: Request) -> HostResult<Resource<Output>> {
        let started = endpoints(self).and_then(|endpoints| BodySink::start(&endpoints, &request));
        match started {
            Ok(sink) => {
                let sink: Box<dyn ByteSink> = Box::new(sink);
                Ok(Ok(self.push_output(sink)?))
            }
            Err(error) => Ok(Err(error)),
        }
    }
}

impl http::HostResponse for GuestState {
    async fn status(&mut self, this: Resource<Response>) -> wasmtime::Result<u16> {
        Ok(self.entered_host().get(&this)?.status())
    }

    async fn headers(&mut self, this: Resource<Response>) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.entered_host().get(&this)?.headers())
    }

    async fn read(&mut self, this: Resource<Response>, max_bytes: u32) -> HostResult<Vec<u8>> {
        let read = self.entered_host().get_mut(&this)?.read(max_bytes as usize).await;
        self.entered_host();
        Ok(read)
    }

    async fn text(&mut self, this: Resource<Response>, max_bytes: u32) -> HostResult<String> {
        let text = self.entered_host().get_mut(&this)?.text(max_bytes as usize).await;
        self.entered_host();
        Ok(text)
    }

    async fn drop(&mut self, this: Resource<Response>) -> wasmtime::Result<()> {
        self.entered_host().delete(this)?;
        Ok(())
    }
}

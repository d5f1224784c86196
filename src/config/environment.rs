//! RabbitMQ's environment variables that mean something here.

use std::net::SocketAddr;

use super::{
    ConfigError, Place,
    draft::Draft,
    load::{Environment, Layer, Setting},
    values,
};

/// Variables that stand for a key.
const VARIABLES: [(&str, &str, Layer); 4] = [
    ("RABBITMQ_NODENAME", "cluster_name", Layer::NodeEnvironment),
    ("RABBITMQ_DEFAULT_USER", "default_user", Layer::UserEnvironment),
    ("RABBITMQ_DEFAULT_PASS", "default_pass", Layer::UserEnvironment),
    ("RABBITMQ_DEFAULT_VHOST", "default_vhost", Layer::UserEnvironment),
];

/// The variables that are set; an empty one counts as not set.
pub(super) fn settings(environment: Environment<'_>) -> Vec<Setting> {
    VARIABLES
        .iter()
        .filter_map(|&(variable, key, layer)| {
            let value = present(environment, variable)?;
            Some(Setting { place: place(), layer, key: key.to_owned(), value })
        })
        .collect()
}

/// `RABBITMQ_NODE_IP_ADDRESS` and `RABBITMQ_NODE_PORT`: the listener of a node whose files name none.
pub(super) fn node_address(draft: &mut Draft, environment: Environment<'_>) -> Result<(), ConfigError> {
    const ADDRESS: &str = "RABBITMQ_NODE_IP_ADDRESS";
    const PORT: &str = "RABBITMQ_NODE_PORT";
    let address = present(environment, ADDRESS)
        .map(|text| values::ip_address(&text).map_err(|expected| invalid(ADDRESS, &text, expected)))
        .transpose()?;
    let port = present(environment, PORT)
        .map(|text| values::number(&text, 0, u64::from(u16::MAX)).map_err(|expected| invalid(PORT, &text, expected)))
        .transpose()?;
    let Some(listener) = draft.config.listeners.first_mut() else { return Ok(()) };
    let port = port.unwrap_or_else(|| listener.port());
    *listener = SocketAddr::new(address.unwrap_or_else(|| listener.ip()), port);
    Ok(())
}

fn present(environment: Environment<'_>, variable: &str) -> Option<String> {
    environment(variable).filter(|value| !value.is_empty())
}

fn place() -> Place {
    Place { source: "environment".to_owned(), line: None }
}

fn invalid(variable: &str, value: &str, expected: String) -> ConfigError {
    ConfigError::InvalidValue { place: place(), key: variable.to_owned(), value: value.to_owned(), expected }
}

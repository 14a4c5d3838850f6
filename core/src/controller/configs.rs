//! Settings of topics, of single brokers and of the whole cluster are changed.
//!
//! - A setting that is not known, or not acceptable together with the others, is INVALID_CONFIG;
//!   nothing of that resource is changed then.
//! - A topic's setting that stays the same is not written; the cluster's is, as in Kafka, where it
//!   makes brokers look again.
//! - When `min.insync.replicas` changes with ELR on, all ELR it is about are cleared, for they were kept
//!   under another promise; the cluster-wide value may be changed then but not deleted, and no broker may
//!   have one of its own.
//! - What the controller decides by (`unclean.leader.election.enable`, and `min.insync.replicas` for the
//!   ELR) a broker's own setting does not change: it counts where the broker itself looks.
//!
//! Simplified: the cluster's settings have the topics' keys (`segment.bytes`, not
//! `log.segment.bytes`); of a broker's own settings only the defaults of topics can be changed (in Kafka also
//! numbers of threads, listeners and quotas; `replica.lag.time.max.ms` and most others cannot).
//! Source: `ConfigurationControlManager.incrementalAlterConfigs`, `createClearElrRecordsAsNeeded`.
//! Next: `leadership.rs`, which reads `unclean.leader.election.enable`.

use super::cluster::{Changes, Cluster, MIN_INSYNC_REPLICAS};
use super::topics::Refusal;
use crate::config::Config;
use crate::error::ErrorCode;
use crate::message::{
    ConfigChange, ConfigResource, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use crate::metadata::{ClearElrRecord, ConfigRecord, MetadataRecord};
use std::collections::BTreeMap;

/// Keys with their new values; `None` deletes.
pub(super) type NewSettings = BTreeMap<String, Option<String>>;

impl Cluster {
    /// Changes settings.
    pub(super) fn alter_configs(
        &self,
        request: &IncrementalAlterConfigsRequest,
        changes: &mut Changes,
    ) -> IncrementalAlterConfigsResponse {
        let mut by_resource: BTreeMap<&ConfigResource, Vec<&ConfigChange>> = BTreeMap::new();
        for change in &request.changes {
            by_resource
                .entry(&change.resource)
                .or_default()
                .push(change);
        }
        let mut resources = Vec::with_capacity(by_resource.len());
        let mut clear = Vec::new();
        for (resource, list) in by_resource {
            let answer = match self.alter_resource(resource, &list) {
                Ok(records) => {
                    let (clears, configs): (Vec<_>, Vec<_>) = records
                        .into_iter()
                        .partition(|record| matches!(record, MetadataRecord::ClearElr(_)));
                    changes.records.extend(configs);
                    clear.extend(clears);
                    (resource.clone(), ErrorCode::None, None)
                }
                Err((error, reason)) => (resource.clone(), error, Some(reason)),
            };
            resources.push(answer);
        }
        changes.records.extend(clear);
        IncrementalAlterConfigsResponse { resources }
    }

    fn alter_resource(
        &self,
        resource: &ConfigResource,
        list: &[&ConfigChange],
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let mut settings = NewSettings::new();
        for change in list {
            if settings
                .insert(change.key.clone(), change.value.clone())
                .is_some()
            {
                let reason = format!("`{}` is in the request more than once", change.key);
                return Err((ErrorCode::InvalidRequest, reason));
            }
        }
        let records = self.config_records(resource, settings)?;
        match resource {
            ConfigResource::Topic(topic) if self.image.topic(topic).is_none() => {
                let reason = format!("The topic '{topic}' does not exist.");
                Err((ErrorCode::UnknownTopicOrPartition, reason))
            }
            ConfigResource::Broker(broker) if !self.image.brokers().contains_key(broker) => {
                let reason = format!("No broker with id {broker} found.");
                Err((ErrorCode::BrokerIdNotRegistered, reason))
            }
            _ => Ok(records),
        }
    }

    /// The records that set these settings, with the ClearElr that they call for at the end.
    pub(super) fn config_records(
        &self,
        resource: &ConfigResource,
        settings: NewSettings,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let invalid = |reason: String| (ErrorCode::InvalidConfig, reason);
        let mut all = self.image.settings(resource).cloned().unwrap_or_default();
        let mut records = Vec::new();
        let mut clear = false;
        for (key, value) in settings {
            if self.topic_defaults.get(&key).is_none() {
                return Err(invalid(format!("unknown setting `{key}`")));
            }
            let before = match &value {
                Some(value) => all.insert(key.clone(), value.clone()),
                None => all.remove(&key),
            };
            if before == value && matches!(resource, ConfigResource::Topic(_)) {
                continue;
            }
            if key == MIN_INSYNC_REPLICAS && self.image.is_elr_enabled() {
                if let ConfigResource::Broker(_) = resource {
                    let reason = "Broker-level min.insync.replicas cannot be altered while ELR is \
                                  enabled.";
                    return Err(invalid(reason.to_owned()));
                }
                if value.is_none() && *resource == ConfigResource::Cluster {
                    let reason = "Cluster-level min.insync.replicas cannot be removed while ELR is \
                                  enabled.";
                    return Err(invalid(reason.to_owned()));
                }
                clear = true;
            }
            let resource = resource.clone();
            records.push(MetadataRecord::Config(ConfigRecord {
                resource,
                key,
                value,
            }));
        }
        // A broker's own stand upon the cluster's.
        let below = match resource {
            ConfigResource::Broker(_) => self.image.settings(&ConfigResource::Cluster),
            ConfigResource::Topic(_) | ConfigResource::Cluster => None,
        };
        let mut config = self.topic_defaults.clone();
        for (key, value) in below.into_iter().flatten().chain(&all) {
            config
                .set(key, value)
                .map_err(|error| invalid(error.to_string()))?;
        }
        config
            .validate()
            .map_err(|error| invalid(error.to_string()))?;
        if clear {
            let topic = match resource {
                ConfigResource::Topic(topic) => Some(topic.clone()),
                ConfigResource::Cluster | ConfigResource::Broker(_) => None,
            };
            records.push(MetadataRecord::ClearElr(ClearElrRecord { topic }));
        }
        Ok(records)
    }
}

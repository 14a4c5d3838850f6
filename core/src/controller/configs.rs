//! Settings of topics and of the whole cluster are changed.
//!
//! - A setting that is not known, or not acceptable together with the others, is INVALID_CONFIG;
//!   nothing of that resource is changed then.
//! - A topic's setting that stays the same is not written; the cluster's is, as in Kafka, where it
//!   makes brokers look again.
//! - When `min.insync.replicas` changes with ELR on, all ELR it is about are cleared, for they were kept
//!   under another promise; the cluster-wide value may be changed then but not deleted.
//!
//! Simplified: the cluster's settings have the topics' keys (`segment.bytes`, not
//! `log.segment.bytes`); no settings of single brokers.
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
        if let ConfigResource::Topic(topic) = resource
            && self.image.topic(topic).is_none()
        {
            let reason = format!("The topic '{topic}' does not exist.");
            return Err((ErrorCode::UnknownTopicOrPartition, reason));
        }
        Ok(records)
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
            if before == value && *resource != ConfigResource::Cluster {
                continue;
            }
            if key == MIN_INSYNC_REPLICAS && self.image.is_elr_enabled() {
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
        let mut config = self.topic_defaults.clone();
        for (key, value) in &all {
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
                ConfigResource::Cluster => None,
            };
            records.push(MetadataRecord::ClearElr(ClearElrRecord { topic }));
        }
        Ok(records)
    }
}

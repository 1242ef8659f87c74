//! What a volume is made of, in pods and in persistent volumes.

use super::{Errors, at, list, names, number, storage, text};
use serde_json::Value;

const HOST_PATH_TYPES: &[&str] =
    &["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

/// Sources that both have.
pub(super) fn check(kind: &str, source: &Value, path: &str, errors: &mut Errors) {
    match kind {
        "hostPath" => host_path(source, path, errors),
        "nfs" => {
            required(source, &["server", "path"], path, errors);
            if !text(&source["path"]).starts_with('/') {
                let value = text(&source["path"]).into();
                errors.invalid(&at(path, "path"), &value, "must be an absolute path");
            }
        }
        "iscsi" => {
            required(source, &["targetPortal"], path, errors);
            iscsi(source, path, errors);
        }
        "fc" => fibre(source, path, errors),
        "glusterfs" => required(source, &["endpoints", "path"], path, errors),
        "rbd" => {
            if list(&source["monitors"]).is_empty() {
                errors.required(&at(path, "monitors"), "");
            }
            required(source, &["image"], path, errors);
        }
        "cephfs" if list(&source["monitors"]).is_empty() => errors.required(&at(path, "monitors"), ""),
        "cinder" | "portworxVolume" => required(source, &["volumeID"], path, errors),
        "vsphereVolume" => required(source, &["volumePath"], path, errors),
        "photonPersistentDisk" => required(source, &["pdID"], path, errors),
        "scaleIO" => required(source, &["gateway", "system", "volumeName"], path, errors),
        "gcePersistentDisk" => {
            // Upstream calls the field by its older name.
            let path = path.replace("gcePersistentDisk", "persistentDisk");
            required(source, &["pdName"], &path, errors);
            partition(source, &path, errors);
        }
        "awsElasticBlockStore" => {
            required(source, &["volumeID"], path, errors);
            partition(source, path, errors);
        }
        "azureFile" => required(source, &["secretName", "shareName"], path, errors),
        "azureDisk" => required(source, &["diskName", "diskURI"], path, errors),
        "flexVolume" => required(source, &["driver"], path, errors),
        "flocker" => flocker(source, path, errors),
        "quobyte" => {
            if text(&source["registry"]).is_empty() {
                let detail = "must be a host:port pair or multiple pairs separated by commas";
                errors.required(&at(path, "registry"), detail);
            }
            required(source, &["volume"], path, errors);
        }
        "storageos" => errors.required_format(&at(path, "volumeName"), &source["volumeName"], names::label),
        "csi" => storage::driver_name(&source["driver"], &at(path, "driver"), errors),
        _ => {}
    }
}

fn required(source: &Value, fields: &[&str], path: &str, errors: &mut Errors) {
    fields.iter().for_each(|field| errors.required_text(&at(path, field), &source[*field]));
}

pub(super) fn host_path(source: &Value, path: &str, errors: &mut Errors) {
    let field = at(path, "path");
    if text(&source["path"]).is_empty() {
        errors.required(&field, "");
        return;
    }
    errors.format(&field, &source["path"], names::no_backsteps);
    errors.one_of(&at(path, "type"), &source["type"], HOST_PATH_TYPES);
}

fn partition(source: &Value, path: &str, errors: &mut Errors) {
    let value = &source["partition"];
    if value.as_i64().is_some_and(|number| !(0..=255).contains(&number)) {
        errors.invalid(&at(path, "partition"), value, "must be between 1 and 255, inclusive");
    }
}

fn iscsi(source: &Value, path: &str, errors: &mut Errors) {
    let (name, field) = (text(&source["iqn"]), at(path, "iqn"));
    if name.is_empty() {
        errors.required(&field, "");
    } else if !["iqn", "eui", "naa"].iter().any(|start| name.starts_with(start)) {
        errors.invalid(&field, &source["iqn"], "must be valid format starting with iqn, eui, or naa");
    }
    let lun = &source["lun"];
    if !(0..=255).contains(&number(lun)) {
        errors.invalid(&at(path, "lun"), lun, "must be between 0 and 255, inclusive");
    }
    if (source["chapAuthDiscovery"] == true || source["chapAuthSession"] == true)
        && source["secretRef"].is_null()
    {
        errors.required(&at(path, "secretRef"), "");
    }
}

fn fibre(source: &Value, path: &str, errors: &mut Errors) {
    let (names, ids, field) = (list(&source["targetWWNs"]), list(&source["wwids"]), at(path, "targetWWNs"));
    if names.is_empty() && ids.is_empty() {
        errors.required(&field, "must specify either targetWWNs or wwids, but not both");
    }
    if !names.is_empty() && !ids.is_empty() {
        let detail = "targetWWNs and wwids can not be specified simultaneously";
        errors.invalid(&field, &source["targetWWNs"], detail);
    }
    if !names.is_empty() {
        if source["lun"].is_null() {
            errors.required(&at(path, "lun"), "lun is required if targetWWNs is specified");
        }
        errors.range(&at(path, "lun"), &source["lun"], 0, 255);
    }
}

fn flocker(source: &Value, path: &str, errors: &mut Errors) {
    let (name, id) = (text(&source["datasetName"]), text(&source["datasetUUID"]));
    if name.is_empty() && id.is_empty() {
        errors.required(path, "one of datasetName and datasetUUID is required");
    }
    if !name.is_empty() && !id.is_empty() {
        let detail = "datasetName and datasetUUID can not be specified simultaneously";
        errors.invalid(path, &"resource".into(), detail);
    }
    if name.contains('/') {
        errors.invalid(&at(path, "datasetName"), &source["datasetName"], "must not contain '/'");
    }
}

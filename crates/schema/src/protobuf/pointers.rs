//! Where zero means something.
//!
//! Go writes each field that is no pointer, set or not, and JSON then leaves the zeros out (`omitempty`). A zero of a pointer
//! was set on purpose: `replicas: 0`. Neither source of the table knows pointers, so these are listed: a type, then its
//! fields.

const POINTERS: &str = "
admissionregistration.v1.MutatingWebhook timeoutSeconds
admissionregistration.v1.ServiceReference port
admissionregistration.v1.ValidatingWebhook timeoutSeconds
apiextensions.v1.JSONSchemaProps maxItems maxLength maxProperties maximum minItems minLength minProperties minimum multipleOf x-kubernetes-preserve-unknown-fields
apiextensions.v1.ValidationRule optionalOldSelf
apps.v1.DaemonSetSpec revisionHistoryLimit
apps.v1.DaemonSetStatus collisionCount
apps.v1.DeploymentSpec progressDeadlineSeconds replicas revisionHistoryLimit
apps.v1.DeploymentStatus collisionCount terminatingReplicas
apps.v1.ReplicaSetSpec replicas
apps.v1.ReplicaSetStatus terminatingReplicas
apps.v1.RollingUpdateStatefulSetStrategy partition
apps.v1.StatefulSetSpec replicas revisionHistoryLimit
apps.v1.StatefulSetStatus collisionCount
authentication.v1.TokenRequestSpec expirationSeconds
autoscaling.v1.HorizontalPodAutoscalerSpec minReplicas targetCPUUtilizationPercentage
autoscaling.v1.HorizontalPodAutoscalerStatus currentCPUUtilizationPercentage observedGeneration
autoscaling.v2.HPAScalingRules stabilizationWindowSeconds
autoscaling.v2.HorizontalPodAutoscalerSpec minReplicas
autoscaling.v2.HorizontalPodAutoscalerStatus observedGeneration
autoscaling.v2.MetricTarget averageUtilization
autoscaling.v2.MetricValueStatus averageUtilization
batch.v1.CronJobSpec failedJobsHistoryLimit startingDeadlineSeconds successfulJobsHistoryLimit suspend
batch.v1.JobSpec activeDeadlineSeconds backoffLimit backoffLimitPerIndex completions manualSelector maxFailedIndexes parallelism suspend ttlSecondsAfterFinished
batch.v1.JobStatus ready terminating
batch.v1.SuccessPolicyRule succeededCount
certificates.v1.CertificateSigningRequestSpec expirationSeconds
coordination.v1.LeaseSpec holderIdentity leaseDurationSeconds leaseTransitions
core.v1.AzureDiskVolumeSource readOnly
core.v1.CSIVolumeSource readOnly
core.v1.ClientIPConfig timeoutSeconds
core.v1.ClusterTrustBundleProjection optional
core.v1.ConfigMap immutable
core.v1.ConfigMapEnvSource optional
core.v1.ConfigMapKeySelector optional
core.v1.ConfigMapProjection optional
core.v1.ConfigMapVolumeSource defaultMode optional
core.v1.ContainerStatus started
core.v1.DownwardAPIVolumeFile mode
core.v1.DownwardAPIVolumeSource defaultMode
core.v1.FCVolumeSource lun
core.v1.FileKeySelector optional
core.v1.HostPathVolumeSource type
core.v1.KeyToPath mode
core.v1.NodeSwapStatus capacity
core.v1.PersistentVolumeClaimSpec storageClassName volumeAttributesClassName
core.v1.PodCertificateProjection maxExpirationSeconds
core.v1.PodSecurityContext fsGroup runAsGroup runAsNonRoot runAsUser
core.v1.PodSpec activeDeadlineSeconds automountServiceAccountToken enableServiceLinks hostUsers priority setHostnameAsFQDN shareProcessNamespace terminationGracePeriodSeconds
core.v1.Probe terminationGracePeriodSeconds
core.v1.ProjectedVolumeSource defaultMode
core.v1.ReplicationControllerSpec replicas
core.v1.Secret immutable
core.v1.SecretEnvSource optional
core.v1.SecretKeySelector optional
core.v1.SecretProjection optional
core.v1.SecretVolumeSource defaultMode optional
core.v1.SecurityContext allowPrivilegeEscalation privileged readOnlyRootFilesystem runAsGroup runAsNonRoot runAsUser
core.v1.ServiceAccount automountServiceAccountToken
core.v1.ServiceAccountTokenProjection expirationSeconds
core.v1.ServiceSpec allocateLoadBalancerNodePorts
core.v1.Toleration tolerationSeconds
core.v1.TopologySpreadConstraint minDomains
core.v1.TypedLocalObjectReference apiGroup
core.v1.TypedObjectReference apiGroup
core.v1.WindowsSecurityContextOptions hostProcess
discovery.v1.EndpointConditions ready serving terminating
discovery.v1.EndpointPort appProtocol name port protocol
meta.v1.DeleteOptions gracePeriodSeconds orphanDependents
meta.v1.ListMeta remainingItemCount
meta.v1.ListOptions sendInitialEvents timeoutSeconds
meta.v1.ObjectMeta deletionGracePeriodSeconds
meta.v1.OwnerReference blockOwnerDeletion controller
meta.v1.PatchOptions force
networking.v1.NetworkPolicyPort endPort
scheduling.v1.PriorityClass value
storage.v1.CSIDriverSpec attachRequired podInfoOnMount requiresRepublish seLinuxMount storageCapacity
storage.v1.StorageClass allowVolumeExpansion
storage.v1.TokenRequest expirationSeconds
storage.v1.VolumeNodeResources count
";

pub(super) fn is_pointer(ty: &str, field: &str) -> bool {
    let of_type = |line: &'static str| line.strip_prefix(ty)?.strip_prefix(' ');
    POINTERS.lines().find_map(of_type).is_some_and(|fields| fields.split(' ').any(|name| name == field))
}

#[cfg(test)]
#[test]
fn pointers_are_fields() {
    use crate::types::types;
    for line in POINTERS.lines().filter(|line| !line.is_empty()) {
        let (ty, fields) = line.split_once(' ').expect("a type and its fields");
        if ty == "meta.v1.PatchOptions" {
            continue;
        }
        let ty = types().get(types().by_name(ty).unwrap_or_else(|| panic!("{ty} is no type")));
        for field in fields.split(' ') {
            assert!(ty.field(field).is_some(), "{} has no {field}", ty.name);
        }
    }
}

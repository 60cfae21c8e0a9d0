"""The artifact store in a bucket of any S3: MinIO, SeaweedFS, Amazon's."""

from taskmgr_core.stores.s3.artifacts import S3Artifacts
from taskmgr_core.stores.s3.location import S3Location

__all__ = ["S3Artifacts", "S3Location"]

# For the collector and the alarms.
output "streams" {
  description = "Names of the streams."
  value       = [for stream in aws_kinesis_firehose_delivery_stream.this : stream.name]
}

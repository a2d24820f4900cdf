# The collector's host: no port is open, its metadata only with a token, its disk encrypted and large enough for the spool.
resource "aws_security_group" "this" {
  name        = "${var.name}-collector"
  description = "The collector: nothing comes in"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.this.id
  description       = "Tickers and the AWS services"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_instance" "this" {
  ami                    = var.ami
  instance_type          = var.instance_type
  subnet_id              = var.subnet_id
  vpc_security_group_ids = [aws_security_group.this.id]
  iam_instance_profile   = var.profile
  monitoring             = true
  ebs_optimized          = true
  user_data = templatefile("${path.module}/user_data.sh", {
    program   = "s3://${var.program_bucket}/program/pregao.deb"
    name      = var.name
    region    = var.region
    log_group = var.log_group
  })
  user_data_replace_on_change = true
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  root_block_device {
    encrypted   = true
    volume_type = "gp3"
    volume_size = 20
  }
  tags = { Name = "${var.name}-collector" }
}

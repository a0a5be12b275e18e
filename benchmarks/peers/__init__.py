"""What runs inside the environments of other model servers, each of which has its own."""

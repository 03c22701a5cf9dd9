"""What people look at: logs."""

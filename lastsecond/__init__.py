"""What the spine stands on: values and rules, and one room per thing in the world."""

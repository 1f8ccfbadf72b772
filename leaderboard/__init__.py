"""The leaderboard: candidates, differences, the pictures behind them. Runs are only read."""

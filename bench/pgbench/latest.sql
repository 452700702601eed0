SELECT * FROM latest_runs();

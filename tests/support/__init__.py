"""What several tests share: builders of records, simulated machines, repositories, traces."""

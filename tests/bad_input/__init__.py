"""The catalogue of bad input: what is fed is refused by name, and everything else stays as it was.

| rows | what is fed | where |
|---|---|---|
| 1–3 | numbers out of range, of another type, of no size | `test_config_numbers` |
| 4, 6, 11 | unknown keys, missing and empty ones, unknown choices | `test_config_keys` |
| 7 | files that are none | `test_config_files` |
| 9, 10, 19 | conflicts, duplicates, names | `test_config_names` |
| 12 | addresses of the queue | `test_config_redis_urls` |
| 13, 14 | servers that must not hold jobs | `test_config_servers` |
| 15–18, 20 | secrets, handlers, destinations | `test_config_secrets`, `test_config_handlers` |
| 21–27 | what is no event | `test_events`, `test_event_texts` |
| 29 | due times, and odd values for jobs enqueued by hand | `test_due_times` |
| 30–34 | what is no condition, and events that cannot answer one | `test_conditions` |
| 59 | records that are corrupt, newer, or in two places | `test_corrupt_records` |
| 60 | jobs that a foreign hand has written | `test_forged_jobs` |
| 61, 64 | servers that are not there, not ours, or locked | `test_unreachable` |
| 62 | command lines | `test_command_line` |
"""

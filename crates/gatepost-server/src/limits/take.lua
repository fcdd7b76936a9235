-- Takes one token from each bucket, in order, until one has none: the arithmetic of `model::decide`.
-- KEYS: buckets. ARGV: now, then for each bucket its interval and its capacity, all in microseconds.
-- Answers for each bucket that was asked: 1 or 0, and its TAT. Numbers stay below 2^53 until the year 2255.
local now = tonumber(ARGV[1])
local answer = {}
for i, key in ipairs(KEYS) do
    local interval, capacity = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    local tat = tonumber(redis.call('GET', key) or '') or now
    -- What is not a number does not equal itself.
    if tat ~= tat then tat = now end
    tat = math.min(math.max(tat, now), now + capacity)
    local allowed = tat + interval <= now + capacity
    if allowed then tat = tat + interval end
    -- Also after a refusal: what was too far away is now that of an empty bucket, and fills again.
    -- A full bucket is worth no key. Redis counts in milliseconds.
    redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
    table.insert(answer, allowed and 1 or 0)
    table.insert(answer, tat)
    if not allowed then break end
end
return answer

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
    if tat + interval > now + capacity then
        table.insert(answer, 0)
        table.insert(answer, tat)
        break
    end
    tat = tat + interval
    -- A full bucket is worth no key. Redis counts in milliseconds.
    redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
    table.insert(answer, 1)
    table.insert(answer, tat)
end
return answer

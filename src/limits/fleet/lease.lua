-- Leases of one subject's limits, for one replica. Atomic: nothing else runs in Redis meanwhile.
-- KEYS[1] the subject. ARGV: replica, replicas, how long a hold lasts (ms), then for each limit ten values:
-- name, type, limit, window (us), capacity, debt, need, one, wish, extra.
-- The answer has eight numbers for each limit: granted, left, short, wait (us), total, since, until, stale.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = math.floor(now / 1000)
local me, replicas, ttl = ARGV[1], math.max(tonumber(ARGV[2]), 1), tonumber(ARGV[3])
local answer, fields, longest = {}, {}, ttl

-- How much is granted of what is there: what is needed, and something for later.
-- Nothing where that would let nobody in: others may make something of it.
local function portion(there, need, wish, quantum, one)
  if there < 1 or (need > 0 and there < math.min(one, need)) then return 0 end
  local later = math.min(wish, math.max(math.floor((there - need) / 8), quantum))
  return math.min(there, need + math.max(later, 0))
end

local function bucket(name, limit, window, capacity, debt, need, one, wish)
  local level, at = capacity, now
  local stored = redis.call('HGET', KEYS[1], name)
  if stored then
    local a, b = string.match(stored, '^([^@]+)@(%d+)$')
    level, at = tonumber(a), tonumber(b)
  end
  level = math.min(capacity, level + math.max(now - at, 0) * limit / window) - debt
  level = math.min(capacity, level)
  local quantum = math.floor(limit * 500000 / window / replicas)
  local there = math.max(math.floor(level), 0)
  local granted = portion(there, need, wish, quantum, one)
  level = level - granted
  fields[#fields + 1] = name
  fields[#fields + 1] = string.format('%.6f@%.0f', level, now)
  local short = (granted < need or (need > 0 and level < math.min(quantum, one))) and 1 or 0
  local wait = math.ceil(math.max(one - level, 0) * window / math.max(limit, 1))
  longest = math.max(longest, math.ceil(window / 1000) * 2)
  return granted, math.floor(level), short, wait
end

local function window_of(name, limit, window, debt, need, one, wish)
  local width = math.floor(window / 60)
  local slots, total = {}, 0
  local stored = redis.call('HGET', KEYS[1], name)
  for slot, count in string.gmatch(stored or '', '(%d+)=(-?%d+);') do
    slot, count = tonumber(slot), tonumber(count)
    if (slot + 61) * width > now and count ~= 0 then
      slots[#slots + 1] = { slot, count }
      total = total + count
    end
  end
  -- What is given back was taken not long ago.
  local back = math.max(-debt, 0)
  for place = #slots, 1, -1 do
    local some = math.min(back, slots[place][2])
    slots[place][2], back, total = slots[place][2] - some, back - some, total - some
  end
  local there = math.max(limit - total - math.max(debt, 0), 0)
  local quantum = math.floor(limit * 500000 / window / replicas)
  local granted = portion(there, need, wish, quantum, one)
  local taken, slot = granted + math.max(debt, 0), math.floor(now / width)
  if taken > 0 then
    if #slots > 0 and slots[#slots][1] >= slot then slots[#slots][2] = slots[#slots][2] + taken
    else slots[#slots + 1] = { slot, taken } end
  end
  total = total + taken
  local text, wait, over = {}, 0, total + one - limit
  for place = 1, #slots do
    local entry = slots[place]
    if over > 0 then
      over = over - entry[2]
      wait = (entry[1] + 61) * width - now
    end
    if entry[2] ~= 0 then text[#text + 1] = string.format('%.0f=%.0f;', entry[1], entry[2]) end
  end
  fields[#fields + 1] = name
  fields[#fields + 1] = table.concat(text)
  local left = limit - total
  local short = (granted < need or (need > 0 and left < math.min(quantum, one))) and 1 or 0
  longest = math.max(longest, math.ceil(window / 1000) * 2)
  return granted, left, short, wait
end

-- What each replica holds, and the sum of the others.
local function holds(text)
  local all, others = {}, 0
  for replica, cum, held, till in string.gmatch(text, '([^=;]+)=(%d+)/(%d+)@(%d+);') do
    all[#all + 1] = { replica, tonumber(cum), tonumber(held), tonumber(till) }
    if replica ~= me and tonumber(till) > now_ms then others = others + tonumber(held) end
  end
  return all, others
end

local function written(all, cum, held)
  local text = { string.format('%s=%.0f/%.0f@%.0f;', me, cum, held, now_ms + ttl) }
  for _, entry in ipairs(all) do
    if entry[1] ~= me and entry[4] > now_ms then
      text[#text + 1] = string.format('%s=%.0f/%.0f@%.0f;', entry[1], entry[2], entry[3], entry[4])
    end
  end
  return table.concat(text)
end

local function hold(name, limit, need, wish, in_use)
  local all, others = holds(redis.call('HGET', KEYS[1], name) or '')
  local there = math.max(limit - others - in_use, 0)
  local more = portion(there, need, wish, 0, 1)
  fields[#fields + 1] = name
  fields[#fields + 1] = written(all, 0, in_use + more)
  return in_use + more, there - more, more < need and 1 or 0, 0
end

local function spend(name, limit, need, one, wish, extra)
  local in_use, cum, base, since, till = string.match(extra, '^(%d+) (%d+) (-?%d+) (%d+) (%d+)$')
  in_use, cum, base, since, till = tonumber(in_use), tonumber(cum), tonumber(base), tonumber(since), tonumber(till)
  local stored = redis.call('HGET', KEYS[1], name) or ''
  local a, b, c, d, rest = string.match(stored, '^(%d+)|(%d+)|(-?%d+)|(%d+)|(.*)$')
  local folded, stale = 0, 0
  if a and (tonumber(b) == 0 or tonumber(b) > now_ms) and tonumber(b) >= math.min(till, 1) then
    if till > 0 and tonumber(a) >= till then
      -- The replica is still in a period that has ended.
      stale, cum, base, in_use = 1, 0, -1, 0
    end
    since, till, folded = tonumber(a), tonumber(b), tonumber(d)
    if base < 0 or (tonumber(c) >= 0 and tonumber(c) < base) then base = tonumber(c) end
  else
    rest = ''
  end
  local all, others = holds(rest)
  local total = math.max(base, 0) + cum
  for _, entry in ipairs(all) do
    if entry[1] ~= me then
      if entry[4] > now_ms then total = total + entry[2] else folded = folded + entry[2] end
    end
  end
  total = total + folded
  local there = limit - total - others - in_use
  local more = 0
  if there >= need then more = portion(there, need, wish, 0, one)
  elseif there > 0 then more = math.max(there, one) end
  fields[#fields + 1] = name
  fields[#fields + 1] = string.format('%.0f|%.0f|%.0f|%.0f|', since, till, base, folded)
    .. written(all, cum, in_use + more)
  longest = math.max(longest, till > 0 and till - now_ms + ttl or -1)
  if till == 0 then longest = -1 end
  return in_use + more, math.max(there - more, 0), more < need and 1 or 0, 0, total, since, till, stale
end

local persistent = false
for at = 4, #ARGV, 10 do
  local name, kind = ARGV[at], ARGV[at + 1]
  local n = {}
  for place = 2, 8 do n[place] = tonumber(ARGV[at + place]) end
  local limit, window, capacity, debt, need, one, wish = n[2], n[3], n[4], n[5], n[6], n[7], n[8]
  local r
  if kind == 'b' then r = { bucket(name, limit, window, capacity, debt, need, one, wish) }
  elseif kind == 'w' then r = { window_of(name, limit, window, debt, need, one, wish) }
  elseif kind == 'h' then r = { hold(name, limit, need, wish, tonumber(ARGV[at + 9])) }
  else
    r = { spend(name, limit, need, one, wish, ARGV[at + 9]) }
    persistent = persistent or longest < 0
  end
  for place = 1, 8 do answer[#answer + 1] = r[place] or 0 end
end
if #fields > 0 then
  redis.call('HSET', KEYS[1], unpack(fields))
  if persistent then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], longest) end
end
return answer

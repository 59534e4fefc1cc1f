--[[
keeprate in darktable's lighttable: the scores of the selected images, stars or colour labels from scores, rejects
handed back to be learned from.

Install: copy this file to ~/.config/darktable/lua/ and put the line   require "keeprate"   into
~/.config/darktable/luarc. It runs the command `keeprate`; the preferences (lua options) say where that lies.

What it may write into darktable's library: stars where there are none, colour labels where there are none, titles
where there are none and you asked for them, and tags below `keeprate|`. Those tags say what of it is keeprate's:
a rating other than the one in the tag is yours and is never touched again; a rating that you took away stays away.
A tag is attached before the stars and removed after them, so that a sidecar never shows stars of keeprate's as yours.

Lua API 9 (darktable 4.2 to 5.x); tried with 4.2.1. Linux and macOS.

Copyright (C) 2026 the keeprate founders. GPL-3.0-or-later, like keeprate.
]]

local dt = require "darktable"

local NAME = "keeprate"
local ROOT = "keeprate|"
local COLOURS = { "red", "yellow", "green", "blue", "purple" }
local MODES = { "stars", "colour labels", "tags only" }
local UNHURRIED = 40 -- so many images are changed with the collection in view; each takes long in a large one
local PAUSE = 20 -- milliseconds after a rating

local M = {
  metadata = {
    name = NAME,
    purpose = "scores of keeprate as stars or colour labels, rejects handed back",
    author = "the keeprate founders",
    help = "docs/how-to/darktable-plugin.md",
  },
  destroy_method = "hide",
}

---------------------------------------------------------------------------------------------------------------------
-- Plain Lua: text in, decisions out
---------------------------------------------------------------------------------------------------------------------

-- The rows of a CSV: an iterator over lists of cells. Quoted cells may hold commas, quotes and line breaks.
local function csv_rows(text)
  local at, last = 1, #text
  return function()
    if at > last then return nil end
    local row = {}
    while true do
      local cell
      if text:sub(at, at) == '"' then
        local parts, from = {}, at + 1
        while true do
          local quote = text:find('"', from, true) or last + 1
          parts[#parts + 1] = text:sub(from, quote - 1)
          at, from = quote + 1, quote + 2
          if text:sub(at, at) ~= '"' then break end
          parts[#parts + 1] = '"'
        end
        cell = table.concat(parts)
      else
        local stop = text:find("[,\r\n]", at) or last + 1
        cell, at = text:sub(at, stop - 1), stop
      end
      row[#row + 1] = cell
      if text:sub(at, at) ~= "," then break end
      at = at + 1
    end
    at = text:match("^\r?\n()", at) or at + 1
    return row
  end
end

local function csv_line(cells)
  local quoted = {}
  for i, cell in ipairs(cells) do quoted[i] = '"' .. cell:gsub('"', '""') .. '"' end
  return table.concat(quoted, ",") .. "\r\n"
end

local function shell_quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- The columns of `keeprate list --csv`: their numbers by name, and the buckets, which stand behind the head.
local function columns_of(header)
  local column, buckets, inside = {}, {}, false
  for i, name in ipairs(header) do
    if name == "content_key" then inside = false end
    if inside then buckets[#buckets + 1] = name else column[name] = i end
    if name == "head" then inside = true end
  end
  if not (column.path and column.score and column.head and column.content_key) then
    error("keeprate printed another list than expected", 0)
  end
  return column, buckets
end

-- What `keeprate list --all --groups --csv` printed: photos by the path of each of their files. The percentile is
-- the rank within the library of the photo: 1 the best, 0 the worst.
local function read_list(text)
  local rows = csv_rows(text)
  local column, buckets = columns_of(rows() or {})
  local list = { by_path = {}, count = 0, buckets = buckets }
  local libraries = {}
  for row in rows do
    local score = tonumber(row[column.score])
    if score then
      local photo = {
        path = row[column.path],
        score = score,
        head = row[column.head],
        label = row[column.label or 0] or "",
        place = tonumber(row[column.burst_position or 0]),
        size = tonumber(row[column.burst_size or 0]),
        shares = {},
      }
      for i in ipairs(buckets) do photo.shares[i] = tonumber(row[column.head + i]) end
      list.count = list.count + 1
      local library = row[column.library or 0] or ""
      libraries[library] = libraries[library] or {}
      table.insert(libraries[library], photo)
      list.by_path[photo.path] = photo
      for other in ((row[column.other_files or 0] or "") .. ":/"):gmatch("(/.-):%f[/]") do
        list.by_path[other] = photo
      end
    end
  end
  for _, photos in pairs(libraries) do
    for i, photo in ipairs(photos) do photo.row = i end
    table.sort(photos, function(one, other) -- as they stand where scores are equal: groups are listed together
      if one.score ~= other.score then return one.score > other.score end
      return one.row < other.row
    end)
    for i, photo in ipairs(photos) do
      photo.rank, photo.of, photo.percentile = i, #photos, 1 - (i - 1) / math.max(1, #photos - 1)
    end
  end
  return list
end

local STARS_ABOVE_ONE = { 0.25, 0.50, 0.75, 0.90 } -- least percentile, as in keeprate's XMP sidecars

local function stars_for(percentile)
  local stars = 1
  for _, least in ipairs(STARS_ABOVE_ONE) do
    if percentile >= least then stars = stars + 1 end
  end
  return stars
end

local function colour_for(percentile)
  if percentile >= 0.90 then return "green" end
  if percentile < 0.25 then return "red" end
  return nil
end

local function tenth_of(percentile)
  return math.min(9, math.floor(percentile * 10))
end

-- Which value to set, and what to remember as ours: nil leaves it alone, `false` forgets.
--   current  what stands; `none` means that nothing does
--   ours     what we remember to have set, or nil
--   wanted   what should stand there; nil for nothing of ours
--   free     whether what stands may be replaced though we never set it
--   before   what stood there before ours
local function decide(current, ours, wanted, none, free, before)
  if ours == nil then
    if wanted ~= nil and free and current ~= wanted then return wanted, wanted end
    return nil, nil
  end
  if current == ours then
    if wanted == nil then return before or none, false end
    if wanted ~= ours then return wanted, wanted end
    return nil, nil
  end
  if current == none then return nil, nil end -- taken away by the user: stays away, and we remember
  return nil, false -- the user's own
end

local function title_for(score)
  return string.format("%.4f %s", score, NAME)
end

local function title_is_ours(title)
  return title:match("^%d%.%d%d%d%d " .. NAME .. "$") ~= nil
end

local function described(photo, buckets)
  local shares = {}
  for i, bucket in ipairs(buckets) do
    shares[#shares + 1] = string.format("%s %.0f %%", bucket, (photo.shares[i] or 0) * 100)
  end
  local lines = {
    string.format("%.3f, number %d of %d", photo.score, photo.rank, photo.of),
    photo.head .. ": " .. table.concat(shares, ", "),
  }
  if photo.label ~= "" then lines[#lines + 1] = "you put it into: " .. photo.label end
  if photo.place and photo.size then
    lines[#lines + 1] = string.format("number %d of %d that are nearly the same", photo.place, photo.size)
  end
  return table.concat(lines, "\n")
end

local function summary(photos, unknown)
  if #photos == 0 then return unknown > 0 and "keeprate has no score for this" or "no image is selected" end
  local low, high, sum = math.huge, -math.huge, 0
  for _, photo in ipairs(photos) do
    low, high, sum = math.min(low, photo.score), math.max(high, photo.score), sum + photo.score
  end
  local text = string.format("%d images: %.3f to %.3f, mean %.3f", #photos, low, high, sum / #photos)
  return unknown > 0 and text .. string.format("\n%d more without a score", unknown) or text
end

---------------------------------------------------------------------------------------------------------------------
-- Preferences
---------------------------------------------------------------------------------------------------------------------

local function register_preferences()
  local function text(name, label, help, default)
    dt.preferences.register(NAME, name, "string", "keeprate: " .. label, help, default)
  end
  text("command", "the program", "full path, if darktable does not find it: `command -v keeprate` tells it", NAME)
  text("head", "the head", "whose scores are shown; empty: the first in keeprate's config", "")
  text("reject_bucket", "bucket for rejects", "what a rejected image is handed back as; empty: not at all", "delete")
end

local function preference(name, kind)
  return dt.preferences.read(NAME, name, kind or "string")
end

local function mode()
  local found = preference("mode")
  return (found == nil or found == "") and MODES[1] or found
end

---------------------------------------------------------------------------------------------------------------------
-- Running keeprate
---------------------------------------------------------------------------------------------------------------------

local function content(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read("a")
  file:close()
  return text
end

local function write_file(path, text)
  local file, problem = io.open(path, "wb")
  local written = file and file:write(text)
  if file and not file:close() then written = nil end
  if not written then error("cannot write " .. path .. ": " .. tostring(problem or "is the disk full?"), 0) end
end

-- Run a shell command; returns its exit code, its output, and its complaint. Others go on meanwhile.
local function shell(command)
  local out, err = os.tmpname(), os.tmpname()
  local status = dt.control.execute(command .. " >" .. shell_quoted(out) .. " 2>" .. shell_quoted(err))
  local printed, complaint = content(out), content(err)
  os.remove(out)
  os.remove(err)
  return status > 255 and status // 256 or status, printed, complaint -- POSIX systems tell it times 256
end

local function keeprate(arguments)
  local command = preference("command")
  if command == nil or command == "" then command = NAME end
  local installed = (os.getenv("HOME") or "") .. "/.local/bin/keeprate"
  if command == NAME and shell("command -v keeprate") ~= 0 and content(installed) ~= "" then command = installed end
  local quoted = { shell_quoted(command) }
  for i, argument in ipairs(arguments) do quoted[i + 1] = shell_quoted(argument) end
  return shell(table.concat(quoted, " "))
end

-- The first line of what keeprate said, for people.
local function first_line(text)
  return text:match("[^\r\n]+") or "it said nothing"
end

local function complaint_of(code, complaint)
  if code == 126 or code == 127 then
    return "keeprate cannot be started; say where it lies: preferences, lua options, “keeprate: the program”"
  end
  return first_line(complaint)
end

---------------------------------------------------------------------------------------------------------------------
-- darktable's images
---------------------------------------------------------------------------------------------------------------------

local state = { list = nil, real = nil, folders = {}, working = false }
local panel = {}

local function refresh_scores()
  local arguments = { "list", "--all", "--groups", "--csv" }
  local head = preference("head")
  if head and head ~= "" then arguments[5], arguments[6] = "--head", head end
  local code, printed, complaint = keeprate(arguments)
  if code ~= 0 then error(complaint_of(code, complaint), 0) end
  state.list, state.real = read_list(printed), nil
end

-- Folder -> where it really lies, links followed; folders that are gone are left out.
local function resolved(folders)
  local asked = {}
  for folder in pairs(folders) do
    if not folder:find("\n", 1, true) then asked[#asked + 1] = folder end
  end
  local list = os.tmpname()
  write_file(list, table.concat(asked, "\n") .. "\n")
  local _, printed = shell('while IFS= read -r d; do CDPATH= cd "$d" && pwd -P || echo; done <' .. shell_quoted(list))
  os.remove(list)
  local found, i = {}, 0
  for line in printed:gmatch("([^\n]*)\n") do
    i = i + 1
    if line ~= "" then found[asked[i]] = line end
  end
  return found
end

-- The photo that an image is, also where one of the two programs came to it through a link.
local function photo_of(image)
  if not state.list then return nil end
  local folder, name = image.path, image.filename
  local photo = state.list.by_path[folder .. "/" .. name]
  if photo or not state.real then return photo end
  return state.real[(state.folders[folder] or folder) .. "/" .. name]
end

-- Prepare `photo_of` for folders behind links: asks the file system once for each folder.
local function follow_links(images)
  local unknown, ours, any = {}, {}, false
  for _, image in ipairs(images) do
    if not state.list.by_path[image.path .. "/" .. image.filename] then unknown[image.path], any = true, true end
  end
  if not any then return end
  for path in pairs(state.list.by_path) do ours[path:match("^(.*)/") or ""] = true end
  state.folders = resolved(unknown)
  local real = resolved(ours)
  state.real = {}
  for path, photo in pairs(state.list.by_path) do
    local folder, name = path:match("^(.*)/([^/]*)$")
    if folder then state.real[(real[folder] or folder) .. "/" .. name] = photo end
  end
end

-- Every image of the library. Walking `dt.database` takes time that grows with its square, ids do not.
local function all_images()
  local images, count = {}, #dt.database
  local last = count > 0 and dt.database[count].id or 0
  for id = 1, last do
    local known, image = pcall(dt.database.get_image, id)
    if known and image then images[#images + 1] = image end
    if id % 1000 == 0 then dt.control.sleep(1) end
  end
  return images
end

-- What our tags on an image say: `stars`, `before`, `colour`, `score`; and the tags themselves by their name.
local function marks_of(image)
  local marks, tags = {}, {}
  for _, tag in ipairs(image:get_tags()) do
    local name = tag.name
    if name:sub(1, #ROOT) == ROOT then
      local what = name:sub(#ROOT + 1)
      tags[what] = tag
      marks.before = marks.before or tonumber(what:match("^stars before (%d)$"))
      local stars, colour = tonumber(what:match("^stars (%d)$")), what:match("^colour (%a+)$")
      -- two stand there only if darktable was ended in between
      if stars and (not marks.stars or stars == image.rating) then marks.stars = stars end
      if colour and (not marks.colour or image[colour]) then marks.colour = colour end
      marks.score = marks.score or tonumber(what:match("^score (%d)$"))
    end
  end
  return marks, tags
end

local function colours_of(image)
  local found = {}
  for _, colour in ipairs(COLOURS) do
    if image[colour] then found[#found + 1] = colour end
  end
  return table.concat(found, " ")
end

local function is_unrated(rating)
  if rating == 0 then return true end
  return rating == 1 and preference("import_star", "bool")
    and dt.preferences.read("darktable", "ui_last/import_initial_rating", "integer") == 1
end

-- The steps that bring one image in line with its photo; `photo` nil takes back everything of ours.
local function steps_for(image, photo, shown)
  local marks, tags = marks_of(image)
  local steps, standing = {}, {}
  local function step(act, rates) steps[#steps + 1] = { act = act, rates = rates } end
  local function tag(what)
    standing[what] = true
    if not tags[what] then step(function() image:attach_tag(dt.tags.create(ROOT .. what)) end) end
  end

  local rating = image.rating
  local wanted = photo and shown == MODES[1] and stars_for(photo.percentile) or nil
  local stars, ours = decide(rating, marks.stars, wanted, 0, is_unrated(rating), marks.before)
  local remembered = marks.stars
  if ours ~= nil then remembered = ours or nil end
  if remembered and photo then
    tag("stars " .. remembered)
    local before = marks.before or (marks.stars == nil and rating ~= 0 and rating) or nil
    if before then tag("stars before " .. before) end
  end
  if stars then step(function() image.rating = stars end, true) end

  local colours = colours_of(image)
  wanted = photo and shown == MODES[2] and colour_for(photo.percentile) or nil
  local colour
  colour, ours = decide(colours, marks.colour, wanted, "", colours == "", nil)
  remembered = marks.colour
  if ours ~= nil then remembered = ours or nil end
  if remembered and photo then tag("colour " .. remembered) end
  if colour then
    if marks.colour then step(function() image[marks.colour] = false end, true) end
    if colour ~= "" then step(function() image[colour] = true end, true) end
  end

  local title = image.title or ""
  wanted = photo and preference("exact_order", "bool") and title_for(photo.score) or nil
  if title_is_ours(title) and title ~= wanted then
    step(function() image.title = wanted or "" end)
  elseif title == "" and wanted then
    step(function() image.title = wanted end)
  end

  if photo then tag("score " .. tenth_of(photo.percentile)) end
  for what, old in pairs(tags) do
    if not standing[what] then step(function() image:detach_tag(old) end) end
  end
  local kept = photo ~= nil and shown == MODES[1] and not is_unrated(rating) and not marks.stars
  return steps, kept
end

-- Do `work` while darktable shows an empty collection: it lays out the whole collection anew after every rating. It is
-- that of a lens that nobody has: the panel of collections lists all lenses each time, and those are few; and it looks
-- up collections of tags again when a tag changes.
local function with_nothing_in_view(work)
  local collect = dt.gui.libs.collect
  local before = collect.filter()
  local rule = collect.new_rule()
  rule.mode, rule.item, rule.data = "DT_LIB_COLLECT_MODE_AND", "DT_COLLECTION_PROP_LENS", "keeprate is at work"
  collect.filter({ rule })
  local fine, problem = pcall(work)
  collect.filter(before)
  if not fine then error(problem, 0) end
end

-- Wait until darktable's window has taken note of what was done: reading a label waits for its turn, and some of it is
-- done when there is nothing else to do. Otherwise the window falls behind and reads the collection while the next
-- rating changes it, and darktable crashes.
local function settle(rated)
  local _ = panel.news.label
  if rated then dt.control.sleep(PAUSE) end
end

-- Carry out lists of steps with a progress bar that can be stopped; returns how many images were done.
local function carry_out(changes, title)
  local done, stopped = 0, false
  local in_view = #changes <= UNHURRIED
  local function work()
    local job = dt.gui.create_job(title, true, function() stopped = true end)
    local fine, problem = pcall(function()
      for i, steps in ipairs(changes) do
        if stopped or dt.control.ending then break end
        for _, step in ipairs(steps) do
          step.act()
          settle(step.rates)
        end
        done = i
        if i % 20 == 0 then job.percent = i / #changes end
      end
    end)
    job.valid = false
    if not fine then error(problem, 0) end
  end
  if not in_view then with_nothing_in_view(work) elseif #changes > 0 then work() end
  return done
end

---------------------------------------------------------------------------------------------------------------------
-- What the buttons do; each returns the sentence that it shows
---------------------------------------------------------------------------------------------------------------------

function M.read_scores()
  refresh_scores()
  if state.list.count == 0 then error("keeprate has no scores yet", 0) end
  local images, changes = all_images(), {}
  local known, kept, shown = 0, 0, mode()
  follow_links(images)
  for i, image in ipairs(images) do
    local photo = photo_of(image)
    if photo then
      known = known + 1
      local steps, is_kept = steps_for(image, photo, shown)
      if is_kept then kept = kept + 1 end
      if #steps > 0 then changes[#changes + 1] = steps end
    end
    if i % 200 == 0 then dt.control.sleep(1) end
  end
  local done = carry_out(changes, "keeprate: scores")
  local text = string.format("%d of %d images have a score, %d changed", known, #images, done)
  if kept > 0 then text = text .. string.format("\n%d keep the stars that they had", kept) end
  if done < #changes then text = text .. string.format("\nstopped: %d to go", #changes - done) end
  return text
end

function M.take_back()
  local changes = {}
  for i, image in ipairs(all_images()) do
    local steps = steps_for(image, nil, nil)
    if #steps > 0 then changes[#changes + 1] = steps end
    if i % 200 == 0 then dt.control.sleep(1) end
  end
  local done = carry_out(changes, "keeprate: taking back")
  return string.format("taken back from %d images; what you set stays", done)
end

-- Labels that were handed back and whose rejects still stand, with their photo's path: an old reject must not outdo
-- what was done since.
local function handed_file() return dt.configuration.config_dir .. "/keeprate-handed.csv" end

local function handed_before()
  local handed = {}
  for row in csv_rows(content(handed_file())) do handed[csv_line(row)] = row[1] end
  return handed
end

function M.hand_rejects_back()
  refresh_scores()
  local images, reject = all_images(), preference("reject_bucket")
  follow_links(images)
  local rejected, photos, unknown, disputed = {}, {}, 0, 0
  for i, image in ipairs(images) do
    local photo, is_rejected = photo_of(image), image.rating == -1 -- never set by us
    if not photo then
      if is_rejected then unknown = unknown + 1 end
    elseif rejected[photo.path] == nil then
      photos[#photos + 1] = photo
      rejected[photo.path] = is_rejected
    elseif rejected[photo.path] ~= is_rejected then -- several versions of a photo have to agree
      rejected[photo.path] = "disputed"
    end
    if i % 200 == 0 then dt.control.sleep(1) end
  end
  local lines, standing, handed = { csv_line({ "image", "head", "label" }) }, {}, handed_before()
  for _, photo in ipairs(photos) do
    if rejected[photo.path] == "disputed" then
      disputed = disputed + 1
    elseif rejected[photo.path] and reject ~= "" then
      local line = csv_line({ photo.path, photo.head, reject })
      standing[#standing + 1] = line
      if not handed[line] then lines[#lines + 1] = line end
    end
  end
  for line, path in pairs(handed) do -- of a library that is away now
    if rejected[path] == nil then standing[#standing + 1] = line end
  end
  local notes = ""
  if unknown > 0 then notes = notes .. string.format("\n%d are no photos that keeprate knows", unknown) end
  if disputed > 0 then notes = notes .. string.format("\n%d left out: their versions disagree", disputed) end
  if #lines > 1 then
    local file = dt.configuration.config_dir .. "/keeprate-labels.csv"
    write_file(file, table.concat(lines))
    local code, printed, complaint = keeprate({ "labels", "import", file })
    if code ~= 0 then
      return string.format("%d labels wait in %s: %s", #lines - 1, file, complaint_of(code, complaint)) .. notes
    end
    os.remove(file)
    notes = "handed back: " .. first_line(printed) .. notes
  else
    notes = "nothing new to hand back" .. notes
  end
  write_file(handed_file(), table.concat(standing))
  return notes
end

function M.show_best()
  local rule = dt.gui.libs.collect.new_rule()
  rule.mode, rule.item, rule.data = "DT_LIB_COLLECT_MODE_AND", "DT_COLLECTION_PROP_TAG", ROOT .. "score 9"
  dt.gui.libs.collect.filter({ rule })
  return "the best tenth; for an order, choose “sort by” rating"
    .. (preference("exact_order", "bool") and " or title" or "") .. ", descending"
end

-- One thing at a time.
for _, name in ipairs({ "read_scores", "take_back", "hand_rejects_back", "show_best" }) do
  local action = M[name]
  M[name] = function()
    if state.working then error("keeprate is still at work", 0) end
    state.working = true
    panel.news.label = "at work …"
    local fine, text = pcall(action)
    state.working = false
    if not fine then error(text, 0) end
    return text
  end
end

-- What the panel says about images.
function M.describe(images)
  if not state.list then return "scores are not read yet" end
  local photos, unknown = {}, 0
  for _, image in ipairs(images) do
    local photo = photo_of(image)
    if photo then photos[#photos + 1] = photo else unknown = unknown + 1 end
  end
  if #photos == 1 and unknown == 0 then return described(photos[1], state.list.buckets) end
  return summary(photos, unknown)
end

---------------------------------------------------------------------------------------------------------------------
-- The panel
---------------------------------------------------------------------------------------------------------------------

local function show_selection()
  if panel.about and not state.working then panel.about.label = M.describe(dt.gui.selection()) end
end

-- Do it, and say what came of it.
local function button(label, tooltip, action)
  return dt.new_widget("button") {
    label = label,
    tooltip = tooltip,
    clicked_callback = function()
      local _, text = pcall(action)
      panel.news.label = tostring(text)
      dt.print("keeprate: " .. tostring(text):match("[^\n]*"))
      show_selection()
    end,
  }
end

local function choice(name, label, tooltip)
  return dt.new_widget("check_button") {
    label = label,
    tooltip = tooltip,
    value = preference(name, "bool") or false,
    clicked_callback = function(self) dt.preferences.write(NAME, name, "bool", self.value) end,
  }
end

local function make_panel()
  panel.about = dt.new_widget("label") { label = "scores are not read yet", halign = "start" }
  panel.news = dt.new_widget("label") { label = "", halign = "start" }
  local selected = 1
  for i, name in ipairs(MODES) do
    if name == mode() then selected = i end
  end
  return dt.new_widget("box") {
    orientation = "vertical",
    panel.about,
    dt.new_widget("separator") {},
    dt.new_widget("combobox") {
      label = "show scores as",
      tooltip = "stars and colour labels are set only where you set none; a tag keeprate|score 9 … 0 always",
      selected = selected,
      changed_callback = function(self)
        for _, name in ipairs(MODES) do
          if name == self.value then dt.preferences.write(NAME, "mode", "string", name) end
        end
      end,
      table.unpack(MODES),
    },
    choice("exact_order", "exact order by title",
      "writes the score into the title of images without one: sort by title for keeprate's exact order;"
      .. " exported images carry the title"),
    choice("import_star", "1 star is no rating",
      "darktable gives every imported image one star unless told otherwise; tick this if you never give one"),
    button("read scores", "ask keeprate, and show its scores as chosen above", M.read_scores),
    button("show the best tenth", "the collection of images with the tag keeprate|score 9", M.show_best),
    button("hand rejects back", "what you rejected since becomes a label that keeprate learns from; no photo is touched",
      M.hand_rejects_back),
    button("take back", "remove the stars, colour labels, titles and tags that keeprate set and that still stand",
      M.take_back),
    panel.news,
  }
end

local function show_panel()
  if panel.shown then return end
  panel.shown = true
  dt.register_lib(NAME, NAME, true, false,
    { [dt.gui.views.lighttable] = { "DT_UI_CONTAINER_PANEL_RIGHT_CENTER", 400 } }, panel.box, nil, nil)
end

-- The script manager hides and shows a panel, it cannot remove one.
local function set_visible(visible)
  if panel.shown then dt.gui.libs[NAME].visible = visible end
end

function M.destroy() set_visible(false) end

function M.restart() set_visible(true) end

M.show = M.restart

-- Wait until darktable's window waits for its user. A widget that is made before hangs darktable or crashes it: nobody
-- runs its main loop then, and GTK is called from two threads (darktable issue 22357).
local function wait_for_window()
  local quiet, waited = 0, 0 -- milliseconds
  while quiet < 1000 and waited < 20000 do
    dt.control.sleep(25)
    waited = waited + 25
    local asleep = content("/proc/self/stat"):match("^%d+ %(.*%) (%a)") == "S" -- the first thread is the window's
    quiet = asleep and quiet + 25 or 0
  end
end

dt.control.dispatch(function()
  wait_for_window()
  register_preferences()
  panel.box = make_panel()
  dt.register_event(NAME, "selection-changed", show_selection)
  if dt.gui.current_view().id == "lighttable" then
    show_panel()
  else -- a panel can be made in its own view only
    dt.register_event(NAME .. " panel", "view-changed", function(_, _, view)
      if view.id == "lighttable" then show_panel() end
    end)
  end
  M.ready = true
  local _, problem = pcall(refresh_scores)
  if problem then panel.news.label = tostring(problem) end
  show_selection()
end)

-- For tests
M.plain = {
  csv_rows = csv_rows,
  csv_line = csv_line,
  shell_quoted = shell_quoted,
  read_list = read_list,
  stars_for = stars_for,
  colour_for = colour_for,
  tenth_of = tenth_of,
  decide = decide,
  resolved = resolved,
}

return M

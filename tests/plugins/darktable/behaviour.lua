-- What plugins/darktable/keeprate.lua does to images, on a pretended darktable and with a pretended keeprate.
-- usage: lua behaviour.lua PLUGIN FOLDER; FOLDER holds the program `keeprate`, which prints FOLDER/list.csv

local plugin, folder = arg[1], arg[2]
package.path = arg[0]:gsub("[^/]*$", "?.lua")
local pretended = require "pretended_darktable"

local function equal(found, expected, what)
  if found ~= expected then
    error(string.format("%s: %s instead of %s", what, tostring(found), tostring(expected)), 2)
  end
end

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(text)
  file:close()
end

local function read(name)
  local file = io.open(folder .. "/" .. name, "rb")
  return file and file:read("a"), file and file:close()
end

-- Best first; quotes and commas in a name; a further file of the third photo.
local FILES = { 'a "b", c.jpg', "b.jpg", "c.jpg", "d.jpg", "e.jpg" }
local function list(order)
  local lines = { "path,score,head,keep,delete,content_key,label,version,library,other_files,"
    .. "burst_position,burst_size" }
  for place = #order, 1, -1 do -- not in the order of scores: groups are listed together
    local number = order[place]
    local name = FILES[number]:gsub('"', '""')
    local others = number == 3 and folder .. "/c.cr3:" .. folder .. "/copy: of c.jpg" or ""
    lines[#lines + 1] = string.format('"%s/%s",%.6f,keep,%.6f,%.6f,key%d,,1,Photos,%s,%s',
      folder, name, 1 - place / 10, 1 - place / 10, place / 10, number, others,
      number == 1 and "2,3" or ",")
  end
  write("list.csv", table.concat(lines, "\r\n") .. "\r\n")
end

list({ 1, 2, 3, 4, 5 })
local image = {}
for i, name in ipairs(FILES) do image[i] = pretended.add_image(folder .. "/" .. name, 0) end
local raw = pretended.add_image(folder .. "/c.cr3", 0)
local copy = pretended.add_image(folder .. "/copy: of c.jpg", 0)
local linked = pretended.add_image(folder .. "/link/e.jpg", 0)
local stranger = pretended.add_image("/elsewhere/z.jpg", -1)
image[2].rating = 1 -- the user's
image[4].rating = -1
pretended.preferences.command = folder .. "/keeprate"
local keeprate = dofile(plugin)

equal(keeprate.describe({ image[1] }),
  "0.900, number 1 of 5\nkeep: keep 90 %, delete 10 %\nnumber 2 of 3 that are nearly the same", "one image")
equal(keeprate.describe({ image[1], image[2], stranger }),
  "2 images: 0.800 to 0.900, mean 0.850\n1 more without a score", "several")

-- Stars only where the user set none; every file of a photo alike, links followed.
equal(keeprate.read_scores(), "8 of 9 images have a score, 8 changed\n2 keep the stars that they had", "read")
equal(image[1].rating, 5, "the best")
equal(image[2].rating, 1, "the user's star")
equal(image[4].rating, -1, "the user's reject")
equal(image[5].rating, 1, "the worst")
equal(linked.rating, 1, "through a link")
equal(raw.rating .. " " .. copy.rating, image[3].rating .. " " .. image[3].rating, "further files")
equal(pretended.names(image[1]), "keeprate|score 9, keeprate|stars 5", "tags")
equal(pretended.names(image[2]), "keeprate|score 7", "tags beside the user's star")
equal(pretended.names(stranger), "", "an image that keeprate does not know")

-- Nothing new: nothing is written.
local before = image[1].writes
keeprate.read_scores()
equal(image[1].writes, before, "writes without a change")

-- Another order: ours follow, what the user changed or took away since does not.
image[1].rating = 4
image[3].rating = 0
list({ 5, 4, 3, 2, 1 })
keeprate.read_scores()
equal(image[5].rating, 5, "ours follow the score")
equal(pretended.names(image[5]), "keeprate|score 9, keeprate|stars 5", "and so do their tags")
equal(image[1].rating, 4, "a rating that the user changed")
equal(pretended.names(image[1]), "keeprate|score 0", "is no longer marked as ours")
equal(image[3].rating, 0, "stars that the user took away")
list({ 3, 4, 5, 2, 1 })
keeprate.read_scores()
equal(image[3].rating, 0, "stay away")
image[1].rating = 1 -- by chance what keeprate would give
keeprate.read_scores()
equal(pretended.names(image[1]), "keeprate|score 0", "and the user's stay the user's")

-- Colour labels in their place, and the exact order by title.
pretended.preferences.mode = "colour labels"
pretended.preferences.exact_order = true
image[2].blue = true
image[4].title = "Anna"
keeprate.read_scores()
equal(image[5].rating, 0, "stars of ours go")
equal(image[1].rating, 1, "those of the user's stay")
equal(image[3].green, true, "the best is green")
equal(image[1].red, true, "the worst is red")
equal(image[2].red, nil, "no label beside the user's")
equal(image[3].title, "0.9000 keeprate", "title")
equal(image[4].title, "Anna", "the user's title")

-- Rejects go back, without what keeprate does not know; files whose versions disagree are left out.
local version = pretended.add_image(folder .. "/b.jpg", -1)
local third = pretended.add_image(folder .. "/b.jpg", -1)
image[5].rating = 5 -- of keeprate's own kind, without its tag: a sidecar of keeprate's was imported
image[1].rating = -1
equal(keeprate.hand_rejects_back(),
  "handed back: 2 labels imported\n1 are no photos that keeprate knows\n1 left out: their versions disagree", "back")
equal(read("imported.csv"), '"image","head","label"\r\n"' .. folder .. '/a ""b"", c.jpg","keep","delete"\r\n"'
  .. folder .. '/d.jpg","keep","delete"\r\n', "rejects only")
equal(keeprate.hand_rejects_back():match("[^\n]*"), "nothing new to hand back", "once is enough")
image[1].rating = 0
keeprate.hand_rejects_back()
image[1].rating = -1
write("busy", "")
local text = keeprate.hand_rejects_back()
os.remove(folder .. "/busy")
equal(text:match("^1 labels wait in .*/keeprate%-labels.csv: The daemon is running") ~= nil, true, text)
equal(keeprate.hand_rejects_back():match("[^\n]*"), "handed back: 1 labels imported", "what waited goes, the old does not")
image[1].rating = 1
image[5].rating = 0
third.rating = 3

-- Taking back: only ours.
version.rating = 3
keeprate.take_back()
for i, one in ipairs(pretended.images) do equal(pretended.names(one), "", "tags of image " .. i) end
equal(image[3].green or image[1].red, false, "colours of ours")
equal(image[2].blue, true, "the user's colour")
equal(image[3].title .. image[4].title, "Anna", "titles")
local ratings = { image[1].rating, image[2].rating, image[4].rating, version.rating }
equal(table.concat(ratings, " "), "1 1 -1 3", "ratings")

-- darktable's own star of an import, where the user says so, and back.
pretended.preferences.mode = "stars"
pretended.preferences.import_star = true
pretended.preferences["ui_last/import_initial_rating"] = 1
keeprate.read_scores()
equal(image[2].rating, 2, "a star of the import is replaced")
equal(image[3].rating, 5, "the best again")
keeprate.hand_rejects_back()
equal(read("imported.csv"):find("/[bce].jpg"), nil, "stars of keeprate's own teach it nothing")
keeprate.take_back()
equal(image[2].rating, 1, "and comes back")

-- Without keeprate: a sentence.
pretended.preferences.command = "/no/such/program"
local fine, problem = pcall(keeprate.read_scores)
equal(fine, false, "without keeprate")
equal(problem:match("^[^;]*"), "keeprate cannot be started", "why")

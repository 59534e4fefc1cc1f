-- As much of darktable's Lua API as plugins/darktable/keeprate.lua uses, over a table of images.

local tags, preferences, images = {}, {}, {}
local function nothing() end

local function widget(kind)
  return setmetatable({ kind = kind }, { __call = function(self, settings)
    for key, value in pairs(settings) do self[key] = value end
    return self
  end })
end

local function make_tag(name)
  tags[name] = tags[name] or { name = name, delete = function() tags[name] = nil end }
  return tags[name]
end

local Image = {}
Image.__index = Image
function Image:get_tags()
  local found = {}
  for _, tag in pairs(self.tags) do found[#found + 1] = tag end
  return found
end
function Image:attach_tag(tag)
  self.tags[tag.name] = tag
  self.writes = self.writes + 1
end
function Image:detach_tag(tag)
  self.tags[tag.name] = nil
  self.writes = self.writes + 1
end

local function add_image(path, rating)
  local folder, name = path:match("^(.*)/([^/]*)$")
  local image = setmetatable({
    id = #images + 1, path = folder, filename = name, rating = rating, title = "", tags = {}, writes = 0,
  }, Image)
  images[image.id] = image
  return image
end

local function names(image)
  local found = {}
  for name in pairs(image.tags) do found[#found + 1] = name end
  table.sort(found)
  return table.concat(found, ", ")
end

local dt = {
  configuration = { config_dir = os.getenv("PRETENDED_CONFIG") },
  new_widget = widget,
  register_lib = nothing,
  register_event = nothing,
  print = nothing,
  preferences = {
    register = function(_, name, _, _, _, default) if preferences[name] == nil then preferences[name] = default end end,
    read = function(_, name) return preferences[name] end,
    write = function(_, name, _, value) preferences[name] = value end,
  },
  tags = { create = make_tag, find = function(name) return tags[name] end },
  database = setmetatable({ get_image = function(id) return images[id] end }, {
    __len = function() return #images end, __index = function(_, i) return images[i] end,
  }),
  control = {
    sleep = nothing,
    ending = false,
    dispatch = function(work) work() end,
    execute = function(command)
      local _, _, code = os.execute(command)
      return code * 256
    end,
  },
  gui = {
    views = { lighttable = "lighttable" },
    current_view = function() return { id = "lighttable" } end,
    selection = function() return {} end,
    create_job = function() return {} end,
    libs = { keeprate = {}, collect = { filter = function() return {} end, new_rule = function() return {} end } },
  },
}
package.preload["darktable"] = function() return dt end

return { add_image = add_image, names = names, preferences = preferences, images = images }

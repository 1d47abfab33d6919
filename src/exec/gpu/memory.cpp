// SPDX-License-Identifier: MIT
#include "exec/gpu/memory.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <string>
#include <utility>

namespace repartir::gpu {
namespace {

constexpr std::uint64_t block_bytes = 64ULL << 20U;
constexpr std::uint64_t smallest = 256;
constexpr std::uint64_t page = 64ULL << 10U;

VkBufferCreateInfo buffer_of(std::uint64_t bytes) {
    VkBufferCreateInfo wanted{};
    wanted.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    wanted.size = bytes;
    wanted.usage = buffer_usage;
    wanted.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    return wanted;
}

Result<Owned<VkBuffer>> make_buffer(const Device& device, const VkBufferCreateInfo& wanted) {
    VkBuffer buffer = nullptr;
    if (const VkResult made = device.call.create_buffer(device.handle(), &wanted, nullptr, &buffer);
        made != VK_SUCCESS) {
        return fail(driver_error("vkCreateBuffer", made));
    }
    return device.own(buffer, device.call.destroy_buffer);
}

Result<Owned<VkDeviceMemory>> allocate(const Device& device, std::uint32_t type,
                                       std::uint64_t bytes, const void* how) {
    VkMemoryAllocateInfo wanted{};
    wanted.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    wanted.pNext = how;
    wanted.allocationSize = bytes;
    wanted.memoryTypeIndex = type;
    VkDeviceMemory memory = nullptr;
    if (const VkResult made =
            device.call.allocate_memory(device.handle(), &wanted, nullptr, &memory);
        made != VK_SUCCESS) {
        return fail(driver_error("vkAllocateMemory", made));
    }
    return device.own(memory, device.call.free_memory);
}

}  // namespace

/// One allocation of a device's memory, which regions share.
struct Region::Block {
    std::uint32_t type = 0;
    std::uint64_t bytes = 0;
    Owned<VkDeviceMemory> memory;
    std::byte* host = nullptr;  ///< mapped as long as it lives
    Ranges ranges;
};

Region::~Region() = default;

void GiveBack::operator()(Region* region) const noexcept { memory->give_back(region); }

Memory::Memory(const Device& device, std::uint64_t device_bytes_max)
    : device_(device), device_bytes_max_(std::min(device_bytes_max, device.info().memory_bytes)) {}

std::uint64_t Memory::rounded(std::uint64_t bytes) noexcept {
    if (bytes <= smallest) {
        return smallest;
    }
    // Four steps between powers of two; large ones are as large as they have to be.
    const std::uint64_t step = std::min(std::bit_floor(bytes - 1) / 4, page);
    return (bytes + step - 1) / step * step;
}

std::uint64_t& Memory::counter(std::uint32_t type) noexcept {
    const bool local = (device_.memory().memoryTypes[type].propertyFlags &
                        VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) != 0;
    return local ? use_.device_bytes : use_.host_bytes;
}

Result<RegionPtr> Memory::take(Place place, std::uint64_t bytes) {
    const std::optional<std::uint32_t> type = device_.memory_type(place);
    assert(type && "not every device has memory that is near");
    if (bytes > device_.buffer_bytes_max()) {
        return fail(Error(Domain::gpu, Code::too_large, Fault::user,
                          "a buffer of " + std::to_string(bytes) + " bytes is more than " +
                              device_.info().name + " takes, " +
                              std::to_string(device_.buffer_bytes_max())));
    }
    const std::uint64_t size = rounded(bytes);
    if (const auto kept = kept_.find({*type, size}); kept != kept_.end() && !kept->second.empty()) {
        Region* const region = kept->second.back();
        kept->second.pop_back();
        --use_.kept;
        ++use_.regions;
        return RegionPtr(region, GiveBack{this});
    }
    Result<RegionPtr> made = make(*type, size);
    if (!made && made.error().code() == Code::out_of_resources && use_.kept != 0) {
        trim();
        made = make(*type, size);
    }
    return made;
}

Result<RegionPtr> Memory::make(std::uint32_t type, std::uint64_t bytes) {
    Result<Owned<VkBuffer>> buffer = make_buffer(device_, buffer_of(bytes));
    if (!buffer) {
        return fail(buffer.error());
    }
    // Not yet a RegionPtr, since that one keeps what it gives back.
    std::unique_ptr<Region> region(new Region());
    region->buffer_ = *std::move(buffer);
    region->serial_ = ++last_serial_;
    region->bytes_ = bytes;
    if (Result<void> placed = place(*region, type); !placed) {
        return fail(placed.error());
    }
    ++use_.regions;
    return RegionPtr(region.release(), GiveBack{this});
}

Result<void> Memory::place(Region& region, std::uint32_t type) {
    VkMemoryRequirements needs{};
    device_.call.get_buffer_memory_requirements(device_.handle(), region.buffer(), &needs);
    std::optional<std::uint64_t> offset;
    for (const std::unique_ptr<Block>& block : blocks_) {
        if (block->type == type && block->ranges.free_bytes() >= needs.size) {
            offset = block->ranges.take(needs.size, needs.alignment);
            region.block_ = offset ? block.get() : nullptr;
        }
        if (offset) {
            break;
        }
    }
    if (!offset) {
        const Result<Block*> block = block_for(type, needs.size);
        if (!block) {
            return fail(block.error());
        }
        region.block_ = *block;
        offset = region.block_->ranges.take(needs.size, needs.alignment);
    }
    region.offset_ = *offset;
    region.taken_ = needs.size;
    region.host_ = region.block_->host == nullptr ? nullptr : region.block_->host + *offset;
    if (const VkResult bound = device_.call.bind_buffer_memory(
            device_.handle(), region.buffer(), region.block_->memory.get(), region.offset_);
        bound != VK_SUCCESS) {
        region.block_->ranges.give(region.offset_, region.taken_);
        return fail(driver_error("vkBindBufferMemory", bound));
    }
    return {};
}

Result<Region::Block*> Memory::block_for(std::uint32_t type, std::uint64_t bytes) {
    // A heap of which blocks would take an eighth is small (the window to a GPU's memory, say).
    const VkPhysicalDeviceMemoryProperties& memory = device_.memory();
    const std::uint64_t heap = memory.memoryHeaps[memory.memoryTypes[type].heapIndex].size;
    const std::uint64_t usual = std::min(block_bytes, std::bit_floor(heap / 8 + 1));
    const std::uint64_t size = bytes > usual / 2 ? bytes : usual;
    std::uint64_t& taken = counter(type);
    const bool local = &taken == &use_.device_bytes;
    if (local && size > device_bytes_max_ - std::min(taken, device_bytes_max_)) {
        return fail(Error(Domain::gpu, Code::out_of_resources, Fault::node,
                          "a buffer needs " + std::to_string(size) + " bytes more of " +
                              device_.info().name + ", and " + std::to_string(taken) + " of " +
                              std::to_string(device_bytes_max_) + " are taken"));
    }
    Result<Owned<VkDeviceMemory>> allocated = allocate(device_, type, size, nullptr);
    if (!allocated) {
        return fail(allocated.error());
    }
    auto block = std::make_unique<Block>(Block{
        .type = type, .bytes = size, .memory = *std::move(allocated), .ranges = Ranges(size)});
    if ((memory.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0) {
        void* host = nullptr;
        if (const VkResult mapped = device_.call.map_memory(device_.handle(), block->memory.get(),
                                                            0, VK_WHOLE_SIZE, 0, &host);
            mapped != VK_SUCCESS) {
            return fail(driver_error("vkMapMemory", mapped));
        }
        block->host = static_cast<std::byte*>(host);
    }
    taken += size;
    blocks_.push_back(std::move(block));
    return blocks_.back().get();
}

Result<RegionPtr> Memory::import(std::span<std::byte> bytes) {
    const auto refuse = [](const char* why) {
        return fail(Error(Domain::gpu, Code::unsupported, Fault::user,
                          std::string("host memory cannot be used in place: ") + why));
    };
    if (device_.call.get_memory_host_pointer_properties == nullptr) {
        return refuse("the driver cannot");
    }
    constexpr auto kind = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
    VkMemoryHostPointerPropertiesEXT found{};
    found.sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT;
    if (device_.call.get_memory_host_pointer_properties(device_.handle(), kind, bytes.data(),
                                                        &found) != VK_SUCCESS) {
        return refuse("the driver does not know these pages");
    }
    VkExternalMemoryBufferCreateInfo external{};
    external.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO;
    external.handleTypes = kind;
    VkBufferCreateInfo wanted = buffer_of(bytes.size());
    wanted.pNext = &external;
    Result<Owned<VkBuffer>> buffer = make_buffer(device_, wanted);
    if (!buffer) {
        return fail(buffer.error());
    }
    VkMemoryRequirements needs{};
    device_.call.get_buffer_memory_requirements(device_.handle(), buffer->get(), &needs);
    const std::uint32_t types = needs.memoryTypeBits & found.memoryTypeBits;
    if (types == 0 || needs.size > bytes.size()) {
        return refuse("no buffer can lie in it");
    }
    VkImportMemoryHostPointerInfoEXT how{};
    how.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT;
    how.handleType = kind;
    how.pHostPointer = bytes.data();
    Result<Owned<VkDeviceMemory>> memory = allocate(
        device_, static_cast<std::uint32_t>(std::bit_width(types)) - 1, bytes.size(), &how);
    if (!memory) {
        return fail(memory.error());
    }
    std::unique_ptr<Region> region(new Region());
    region->buffer_ = *std::move(buffer);
    region->import_ = *std::move(memory);
    region->serial_ = ++last_serial_;
    region->bytes_ = bytes.size();
    region->host_ = bytes.data();
    if (const VkResult bound = device_.call.bind_buffer_memory(device_.handle(), region->buffer(),
                                                               region->import_.get(), 0);
        bound != VK_SUCCESS) {
        return fail(driver_error("vkBindBufferMemory", bound));
    }
    ++use_.regions;
    ++use_.imported;
    return RegionPtr(region.release(), GiveBack{this});
}

void Memory::give_back(Region* region) noexcept {
    --use_.regions;
    if (region->block_ == nullptr) {
        --use_.imported;
        delete region;
        return;
    }
    try {
        kept_[{region->block_->type, region->bytes_}].push_back(region);
        ++use_.kept;
    } catch (const std::exception&) {  // no memory to remember it by
        destroy(region);
    }
}

void Memory::destroy(Region* region) noexcept {
    Block* const block = region->block_;
    const std::uint64_t offset = region->offset_;
    const std::uint64_t taken = region->taken_;
    delete region;
    block->ranges.give(offset, taken);
    if (block->ranges.unused()) {
        counter(block->type) -= block->bytes;
        std::erase_if(blocks_, [&](const auto& one) { return one.get() == block; });
    }
}

void Memory::trim() {
    for (auto& [size, regions] : kept_) {
        for (Region* region : regions) {
            destroy(region);
        }
        use_.kept -= regions.size();
    }
    kept_.clear();
}

Memory::~Memory() {
    assert(use_.regions == 0);
    trim();
}

}  // namespace repartir::gpu

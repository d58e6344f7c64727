# Language, warnings, sanitizers, hardening: everything that holds for every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

option(BELAY_WERROR "Treat warnings as errors" OFF)
option(BELAY_FAILPOINTS "Compile in the points at which tests kill or stall the daemon" OFF)
set(BELAY_SANITIZE "" CACHE STRING "Sanitizers for everything but the shim, e.g. address,undefined")

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_library(belay_options INTERFACE)
add_library(belay::options ALIAS belay_options)
target_compile_options(belay_options INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual
  # g++ 12 takes a coroutine frame's own operator delete for a mismatch once it inlines
  -Wno-mismatched-new-delete
  # ... and, optimising, sees overlaps in std::string's operator+ that can't be (GCC bug 105651)
  $<$<CONFIG:Release>:-Wno-restrict>
  $<$<BOOL:${BELAY_WERROR}>:-Werror>)
target_compile_definitions(belay_options INTERFACE
  $<$<BOOL:${BELAY_FAILPOINTS}>:BELAY_FAILPOINTS>
  BELAY_VERSION="${PROJECT_VERSION}")
target_include_directories(belay_options INTERFACE ${PROJECT_SOURCE_DIR}/include)

if(BELAY_SANITIZE)
  target_compile_options(belay_options INTERFACE -fsanitize=${BELAY_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  if(BELAY_SANITIZE STREQUAL "thread")
    # GCC's TSan does not model fences; Asio's are known good (asio #1193)
    target_compile_options(belay_options INTERFACE -Wno-tsan)
  endif()
  target_link_options(belay_options INTERFACE -fsanitize=${BELAY_SANITIZE})
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  # An idle daemon keeps most of its code resident: -O2 and no dead sections instead of CMake's -O3
  string(REPLACE "-O3" "-O2" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")
  target_compile_options(belay_options INTERFACE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -ffunction-sections -fdata-sections)
  target_link_options(belay_options INTERFACE -Wl,-z,relro,-z,now,--gc-sections)
endif()

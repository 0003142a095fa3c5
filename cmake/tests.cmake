# SPDX-License-Identifier: Apache-2.0
#
# What ctest runs. Adding a test is adding a file, nothing is listed here:
#   tests/unit/test_NAME.c   a CUnit suite, entered by `void test_NAME(void)`; all in one executable, run as the
#                            test `unit`, but `unit.NAME` when it runs compiled networks
#   tests/KIND/run.sh        one test KIND; tests/KIND/run_PART.sh one test KIND.PART
#   tests/fuzz/fuzz_NAME.c   a libFuzzer target, built with AZ_FUZZ
# Scripts run in the source folder with ADZE (the command), BUILD (the build folder) and CC set; they
# exit with 0 for passed, 77 for skipped, anything else for failed.

pkg_check_modules(cunit IMPORTED_TARGET cunit)
file(GLOB unit_tests CONFIGURE_DEPENDS tests/unit/test_*.c)
if(unit_tests AND cunit_FOUND)
  set(rows "")
  foreach(source ${unit_tests})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    string(APPEND rows "SUITE(${name})\n")
  endforeach()
  file(CONFIGURE OUTPUT ${AZ_GEN}/tests/suites.def CONTENT "${rows}" @ONLY)
  add_executable(unit_tests tests/unit/main.c tests/unit/widths.c tests/unit/widths_cases.c ${unit_tests})
  target_compile_options(unit_tests PRIVATE ${AZ_WARNINGS})
  target_link_libraries(unit_tests PRIVATE ${AZ_LIBRARIES} PkgConfig::cunit)
  # Suites that run compiled networks take long: each is a test of its own, so that they run side by side.
  set(short "")
  foreach(source ${unit_tests})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    file(STRINGS ${source} compiles REGEX "az_backend_jit|jit_kit[.]h")
    if(compiles)
      add_test(NAME unit.${name} COMMAND unit_tests ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
      set_tests_properties(unit.${name} PROPERTIES COST 100)
      list(APPEND long unit.${name})
    else()
      list(APPEND short ${name})
    endif()
  endforeach()
  add_test(NAME unit COMMAND unit_tests ${short} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  # The sanitizer's marks in memory that LLVM takes and gives back cost more than the tests do.
  set_tests_properties(unit ${long} PROPERTIES ENVIRONMENT
    "ASAN_OPTIONS=quarantine_size_mb=8:malloc_context_size=4:max_malloc_fill_size=0")
endif()

# Runs the operator tests of ONNX: tests/operators/run.sh.
add_executable(operator_nodes tests/operators/nodes.c)
target_compile_options(operator_nodes PRIVATE ${AZ_WARNINGS})
target_link_libraries(operator_nodes PRIVATE ${AZ_LIBRARIES})

# Makes the networks of tests/kernels/run.sh.
add_executable(kernels_net tests/kernels/net.c tests/unit/widths.c tests/unit/widths_cases.c)
target_compile_options(kernels_net PRIVATE ${AZ_WARNINGS})
target_link_libraries(kernels_net PRIVATE az_ir)

# Proves channel groups on networks: tests/channels/run.sh.
add_executable(channels_proof tests/channels/channels.c)
target_compile_options(channels_proof PRIVATE ${AZ_WARNINGS})
target_link_libraries(channels_proof PRIVATE ${AZ_LIBRARIES})

# The checks of the source itself need no build, but run with the rest.
set(scripts includes format forbidden docs)
list(TRANSFORM scripts PREPEND tests/tools/)
list(TRANSFORM scripts APPEND .sh)
if(TARGET adze)
  file(GLOB found RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS tests/*/run.sh tests/*/run_*.sh)
  list(APPEND scripts ${found})
endif()
foreach(script ${scripts})
  string(REGEX REPLACE "^tests/" "" name ${script})
  string(REGEX REPLACE "(/run)?[.]sh$" "" name ${name})
  string(REGEX REPLACE "/(run_)?" "." name ${name})
  add_test(NAME ${name} COMMAND bash ${script} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set(environment "ASAN_OPTIONS=allocator_may_return_null=1;BUILD=${PROJECT_BINARY_DIR};CC=${CMAKE_C_COMPILER}")
  if(TARGET adze)
    list(APPEND environment "ADZE=$<TARGET_FILE:adze>")
  endif()
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "${environment}" SKIP_RETURN_CODE 77
    TIMEOUT 10800)
  # None of the long ones is left alone at the end.
  file(STRINGS ${script} long REGEX "^# Takes long")
  if(long)
    set_tests_properties(${name} PROPERTIES COST 200)
  endif()
endforeach()

if(AZ_FUZZ)
  file(GLOB fuzz_targets CONFIGURE_DEPENDS tests/fuzz/fuzz_*.c)
  foreach(source ${fuzz_targets})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    target_compile_options(${name} PRIVATE ${AZ_WARNINGS})
    target_link_libraries(${name} PRIVATE ${AZ_LIBRARIES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endforeach()
endif()

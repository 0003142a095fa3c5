# SPDX-License-Identifier: Apache-2.0
#
# The freestanding runtime: compiled by clang for every target, joined into one relocatable object each,
# and carried inside az_backend.
find_program(AZ_LLD NAMES ld.lld-19 ld.lld HINTS ${AZ_LLVM_bindir} REQUIRED)
enable_language(ASM)

file(GLOB runtime_sources CONFIGURE_DEPENDS runtime/*.c)
file(GLOB runtime_headers CONFIGURE_DEPENDS runtime/*.h runtime/*.def)
set(runtime_flags -std=c11 -O2 -ffreestanding -fno-builtin -nostdlib -ffp-contract=off -fPIC
  -fvisibility=hidden -fno-stack-protector -fno-asynchronous-unwind-tables -fno-unwind-tables
  -fno-exceptions -ffunction-sections -fdata-sections -Wall -Wextra -Wshadow -Wconversion -Werror
  -I${PROJECT_SOURCE_DIR})

# NAME is az_target.runtime; the rest are flags that choose the target.
function(az_runtime name)
  set(folder ${PROJECT_BINARY_DIR}/runtime/${name})
  file(MAKE_DIRECTORY ${folder})
  foreach(source ${runtime_sources})
    get_filename_component(stem ${source} NAME_WE)
    set(object ${folder}/${stem}.o)
    add_custom_command(OUTPUT ${object}
      COMMAND ${AZ_CLANG} ${ARGN} ${runtime_flags} -c ${source} -o ${object}
      DEPENDS ${source} ${runtime_headers} VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  add_custom_command(OUTPUT ${folder}.o COMMAND ${AZ_LLD} -r -o ${folder}.o ${objects}
    DEPENDS ${objects} VERBATIM)
  set(runtime_names ${runtime_names} ${name} PARENT_SCOPE)
  set(runtime_objects ${runtime_objects} ${folder}.o PARENT_SCOPE)
endfunction()

az_runtime(x86_64 --target=x86_64-linux-gnu)
az_runtime(aarch64 --target=aarch64-linux-gnu)
az_runtime(arm --target=armv7a-linux-gnueabihf -mfpu=vfpv3 -mfloat-abi=hard)
az_runtime(riscv64 --target=riscv64-linux-gnu -march=rv64gc -mabi=lp64d -mcmodel=medany)

set(data ".section .rodata\n")
set(code "#include \"backend/runtime_objects.h\"\n\n#include <string.h>\n\n")
set(rows "")
foreach(name ${runtime_names})
  string(APPEND data ".globl az_runtime_${name}, az_runtime_${name}_end\n.balign 16\n"
    "az_runtime_${name}: .incbin \"${PROJECT_BINARY_DIR}/runtime/${name}.o\"\naz_runtime_${name}_end:\n")
  string(APPEND code "extern const unsigned char az_runtime_${name}[], az_runtime_${name}_end[];\n")
  string(APPEND rows "\tif (strcmp(name, \"${name}\") == 0) {\n"
    "\t\t*size = (size_t)(az_runtime_${name}_end - az_runtime_${name});\n"
    "\t\treturn az_runtime_${name};\n\t}\n")
endforeach()
string(APPEND data ".section .note.GNU-stack,\"\",%progbits\n")
string(APPEND code
  "\nconst unsigned char *az_runtime_object(const char *name, size_t *size)\n{\n${rows}\treturn NULL;\n}\n")
file(CONFIGURE OUTPUT ${AZ_GEN}/runtime_data.S CONTENT "${data}" @ONLY)
file(CONFIGURE OUTPUT ${AZ_GEN}/runtime_objects.c CONTENT "${code}" @ONLY)
set_source_files_properties(${AZ_GEN}/runtime_data.S PROPERTIES OBJECT_DEPENDS "${runtime_objects}")
target_sources(az_backend PRIVATE ${AZ_GEN}/runtime_data.S ${AZ_GEN}/runtime_objects.c)

//! `include/vgpu_pool_loader.h`: the functions of the header as a table that is filled at run time. Written from the header, so
//! that no function can be missing.

use std::fmt::Write as _;

/// A function as the header declares it.
struct Function<'a> {
    result: &'a str,
    name: &'a str,
    parameters: String,
}

impl Function<'_> {
    /// The names of the parameters, as they stand in a call.
    fn arguments(&self) -> String {
        if self.parameters == "void" {
            return String::new();
        }
        let name = |parameter: &str| {
            let end = parameter.trim().trim_end_matches("[]");
            end.rsplit([' ', '*']).next().unwrap_or(end).to_owned()
        };
        self.parameters.split(',').map(name).collect::<Vec<_>>().join(", ")
    }

    /// The name of its place in the table.
    fn member(&self) -> &str {
        self.name.strip_prefix("vgpu_").unwrap_or(self.name)
    }

    /// What a call comes to while no library is loaded.
    fn without_library(&self) -> &'static str {
        match (self.name, self.result) {
            ("vgpu_last_error_message", _) => "return VGPU_POOL_NOT_LOADED;",
            ("vgpu_status_name", _) => "(void)status; return \"VGPU_ERROR_UNSUPPORTED\";",
            (_, "vgpu_status") => "return VGPU_ERROR_UNSUPPORTED;",
            (_, "void") => "return;",
            (_, "const char *") => "return \"\";",
            (_, result) if result.ends_with('*') => "return NULL;",
            _ => "return 0;",
        }
    }
}

/// The functions that a header declares, in its order.
fn functions(header: &str) -> Vec<Function<'_>> {
    let declaration = |text| {
        let (head, parameters) = str::split_once(text, '(').expect("a declaration has parameters");
        let head = head.trim().trim_start_matches("VGPU_NODISCARD").trim();
        let at = head.rfind([' ', '*']).expect("a declaration has a type") + 1;
        Function {
            result: head[..at].trim_end(),
            name: &head[at..],
            parameters: parameters.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    };
    header.split("\nVGPU_API ").skip(1).map(|rest| declaration(rest.split(");").next().unwrap_or(rest))).collect()
}

/// The type of a result and the blank after it, unless that ends in a star.
fn typed(result: &str) -> String {
    if result.ends_with('*') { result.to_owned() } else { format!("{result} ") }
}

/// The loader for a header, from the frame in `abi/vgpu_pool_loader.h.in`.
pub(super) fn generate(header: &str, frame: &str) -> String {
    let (mut members, mut names, mut stubs) = (String::new(), String::new(), String::new());
    for function in functions(header) {
        let (result, parameters) = (typed(function.result), &function.parameters);
        let (member, name) = (function.member(), function.name);
        let _ = writeln!(members, "    /** {name}() */\n    {result}(*{member})({parameters});");
        let _ = writeln!(names, "    \"{name}\",");
        let call = format!("vgpu_pool_loaded.{member}({})", function.arguments());
        let call = if function.result == "void" { format!("{call};") } else { format!("return {call};") };
        let _ = writeln!(
            stubs,
            "{result}{name}({parameters}) {{\n    if (vgpu_pool_loaded.{member} == NULL) {{ {} }}\n    {call}\n}}",
            function.without_library()
        );
    }
    let fill = [("@MEMBERS@\n", members), ("@NAMES@\n", names), ("@FUNCTIONS@\n", stubs)];
    fill.iter().fold(frame.to_owned(), |text, (mark, value)| text.replace(mark, value))
}

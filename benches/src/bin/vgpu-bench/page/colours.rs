//! One colour for each implementation, the same in every drawing.

use plotters::style::RGBColor;

pub(super) const INK: RGBColor = RGBColor(28, 35, 48);
pub(super) const FAINT: RGBColor = RGBColor(213, 218, 226);

pub(super) fn of(implementation: &str) -> RGBColor {
    match implementation {
        "vgpu" => RGBColor(36, 86, 200),
        "vgpu-cpp" => RGBColor(86, 130, 226),
        "rayon" => RGBColor(217, 119, 6),
        "rayon-iter" => RGBColor(240, 172, 92),
        "chili" => RGBColor(190, 24, 93),
        "chili-each" => RGBColor(226, 122, 164),
        "tokio" => RGBColor(126, 34, 206),
        "tbb" => RGBColor(13, 148, 136),
        "libomp" | "libomp-static" => RGBColor(21, 128, 61),
        "libomp-dynamic" => RGBColor(74, 160, 104),
        "libomp-guided" => RGBColor(128, 192, 148),
        "libgomp" | "libgomp-static" => RGBColor(120, 53, 15),
        "libgomp-dynamic" => RGBColor(164, 104, 70),
        "libgomp-guided" => RGBColor(204, 158, 130),
        "mkl" => RGBColor(13, 148, 136),
        "openblas" => RGBColor(21, 128, 61),
        "blis" => RGBColor(120, 53, 15),
        "gemm" => RGBColor(217, 119, 6),
        "std-async" => RGBColor(202, 164, 8),
        ours if ours.starts_with("vgpu") => RGBColor(126, 162, 236),
        // What is no pool at all.
        _ => RGBColor(150, 158, 170),
    }
}

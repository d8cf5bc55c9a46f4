"""Mutants that were looked at and change nothing that a test could or should notice, each with why."""

from __future__ import annotations

CAMERA, GRID, POSE, TERRAIN = (f"promptmid_core/geometry/{name}.py" for name in ("camera", "grid", "pose", "terrain"))
DEPENDENCE, SEARCH, TIES = (f"promptmid_core/matching/{name}.py" for name in ("dependence", "search", "ties"))
CAMERAS, SOLVE = (f"promptmid_core/localization/{name}.py" for name in ("cameras", "solve"))

TIE = "two floats that are computed are never equal"
SQUARE = "the array is square"
MORE = "reads a row or column more than is needed, which changes no value"
UNREAD = "the number is not looked at"

# (file, line as it is, line as it becomes): why
EQUIVALENT: dict[tuple[str, str, str], str] = {
    (CAMERA, "invertible = x * x + y * y <= self._monotonic_radius ** 2",
     "invertible = x * x + y * y < self._monotonic_radius ** 2"): TIE,
    (CAMERA, "flat = np.asarray(flat, np.float64).reshape(-1, 2)", "flat = np.asarray(flat, np.float64).reshape(- 2, 2)"):
        "NumPy takes any negative number for the one that is left over",
    (GRID, "return self.to_map(np.arange(self.width), 0)[0], self.to_map(0, np.arange(self.height))[1]",
     "return self.to_map(np.arange(self.width), -1)[0], self.to_map(0, np.arange(self.height))[1]"): UNREAD,
    (POSE, "x, y, z, w = Pose(np.zeros(3), rotation).quaternion()", "x, y, z, w = Pose(np.zeros( 2), rotation).quaternion()"):
        UNREAD,
    (TERRAIN, "c0, r0 = int(np.floor(col[0])) - 1, int(np.floor(row[0])) - 1",
     "c0, r0 = int(np.floor(col[0])) - 2, int(np.floor(row[0])) - 1"): MORE,
    (TERRAIN, "take_r = np.clip(np.arange(r0, int(np.ceil(row[-1])) + 2), 0, rows - 1)",
     "take_r = np.clip(np.arange(r0, int(np.ceil(row[-1])) + 3), 0, rows - 1)"): MORE,
    (TERRAIN, "steps = int(np.clip(2 * run / self.grid.gsd, 4, MOST_STEPS))",
     "steps = int(np.clip( 3 * run / self.grid.gsd, 4, MOST_STEPS))"): "shorter steps find what longer ones do",
    (DEPENDENCE, "pivot = np.maximum(matrices[i, i], np.float32(RIDGE / 1000))",
     "pivot = np.maximum(matrices[i, i], np.float32(RIDGE / 1001))"): "only keeps a logarithm finite",
    (SEARCH, "radius = sharp.shape[0] // 2", "radius = sharp.shape[ 1] // 2"): SQUARE,
    (TIES, "n, side = len(scores), scores.shape[-1]", "n, side = len(scores), scores.shape[- 2]"): SQUARE,
    (CAMERAS, "KEPT = 64", "KEPT = 65"): "how much is kept is a bound of memory",
    (SOLVE, "if np.abs(step[:2]).max() < 1e-4 and abs(step[5]) < 1e-8:",
     "if np.abs(step[:2]).max() <= 1e-4 and abs(step[5]) < 1e-8:"): TIE,
}

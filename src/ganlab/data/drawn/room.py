"""An empty room in perspective: camera, walls, ceiling, floor and shading, with lengths in metres."""

import math
from collections.abc import Iterable

from ganlab.data.drawn.drawing import FRAME, Colour, Fade, Painting, mix, tone
from ganlab.data.drawn.scene_factors import FLOORS, WALLS, SceneFactors

KINDS = ("wall", "floor", "ceiling", "bed", "window_1", "window_2", "lamp", "picture", "plant", "rug")
AMBIENCE: dict[str, Colour] = {"day": (1.0, 1.0, 1.0), "sunset": (0.98, 0.82, 0.76), "night": (0.50, 0.54, 0.76)}
WHITE: Colour = (0.97, 0.96, 0.94)
LENS, HORIZON_LINE = 1.22, 0.44  # focal length and height of the eye level, in image sides
HALF, HEIGHT = 2.2, 2.75  # half the room's width, and its height


class Room(Painting):
    """The camera, and the walls, ceiling and floor that it sees."""

    kinds = KINDS

    def __init__(self, factors: SceneFactors) -> None:
        super().__init__()
        self.f = f = factors
        angle, radius = math.radians(20 * f.view), 5.0 + 0.4 * f.distance
        self.sin, self.cos = math.sin(angle), math.cos(angle)
        # The camera circles a point of the room; verticals stay vertical (a shifted lens).
        self.eye = (radius * self.sin, 1.55 + 0.2 * f.eye_height, 0.8 + radius * self.cos)
        self.side = 1 if f.bed == "right" or f.bed == "none" and f.bed_x > 0 else -1
        self.wall = tone(WALLS[f.wall], 1 + 0.05 * f.wall_tone)
        self.ambience = AMBIENCE[f.sky]

    def _point(self, x: float, y: float, z: float) -> tuple[float, float]:
        dx, dz = x - self.eye[0], self.eye[2] - z  # x: right of the middle; y: above the floor; z: from the back wall
        scale = LENS / (dz * self.cos - dx * self.sin)
        return 0.5 + (dx * self.cos + dz * self.sin) * scale, HORIZON_LINE - (y - self.eye[1]) * scale

    def _project(self, points: Iterable[tuple[float, float, float]]) -> list[tuple[float, float]]:
        return [self._point(*point) for point in points]

    def _scale(self, x: float, z: float) -> float:  # image sides per metre at (x, z)
        return LENS / ((self.eye[2] - z) * self.cos - (x - self.eye[0]) * self.sin)

    def _upright(self, x0: float, x1: float, y0: float, y1: float, z: float) -> list[tuple[float, float]]:
        return self._project([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)])

    def _level(self, x0: float, x1: float, z0: float, z1: float, y: float) -> list[tuple[float, float]]:
        return self._project([(x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1)])

    def _across(self, x: float, z0: float, z1: float, y0: float, y1: float) -> list[tuple[float, float]]:
        return self._project([(x, y0, z0), (x, y0, z1), (x, y1, z1), (x, y1, z0)])

    def _box(self, x0: float, x1: float, y0: float, y1: float, z0: float, z1: float, colour: Colour, kind: str) -> None:
        """Paint the visible faces of a box: light from above, sides in shade."""
        if self.eye[0] < x0:
            self._fill([self._across(x0, z0, z1, y0, y1)], tone(colour, 0.80), kind)
        elif self.eye[0] > x1:
            self._fill([self._across(x1, z0, z1, y0, y1)], tone(colour, 0.80), kind)
        if self.eye[1] > y1:
            self._fill([self._level(x0, x1, z0, z1, y1)], tone(colour, 1.06), kind)
        self._fill([self._upright(x0, x1, y0, y1, z1)], tone(colour, 0.92), kind)

    def _shadow(self, x: float, z: float, rx: float, rz: float, depth: float = 0.5) -> None:
        """Darken the floor softly around (x, z)."""
        u, v = self._point(x, 0, z)
        ry = (self._point(x, 0, z + rz)[1] - self._point(x, 0, z - rz)[1]) / 2
        radius = rx * self._scale(x, z)
        self._fill([self.floor], (depth, depth * 0.95, depth), fade=Fade((u, v), (radius, ry), True), gain=True)

    def _shell(self) -> None:
        """Paint walls, ceiling, floor and the soft shade in the corners."""
        near = [  # just in front of the camera, at both side walls
            self.eye[2] - (0.3 + (x - self.eye[0]) * self.sin) / self.cos for x in (-HALF, HALF)
        ]
        trim = mix(self.wall, WHITE, 0.75)
        self._fill([FRAME], self.wall, "wall")
        for x, z, shade in ((-HALF, near[0], 0.86), (HALF, near[1], 0.92)):
            wall = self._across(x, 0, z, 0, HEIGHT)
            self._fill([wall], tone(self.wall, shade), "wall")
            self._fill([self._across(x, 0, z, 0, 0.13)], tone(trim, shade), "wall")
            (u, v), (w, _) = wall[0], wall[1]
            self._fill([wall], (0.82, 0.82, 0.86), fade=Fade((u, v), (u + 0.35 * (w - u) / abs(w - u), v)), gain=True)
        back = self._upright(-HALF, HALF, 0, HEIGHT, 0)
        self._fill([self._upright(-HALF, HALF, 0, 0.13, 0)], trim, "wall")
        top, bottom = min(back[2][1], back[3][1]), max(back[0][1], back[1][1])
        self._fill([back], (0.88, 0.88, 0.91), fade=Fade((0, bottom), (0, top + 0.1)), gain=True)
        for here, there in ((back[0], back[1]), (back[1], back[0])):
            end = (here[0] + 0.3 * (there[0] - here[0]), here[1])
            self._fill([back], (0.90, 0.90, 0.93), fade=Fade(here, end), gain=True)
        ceiling = [(-HALF, HEIGHT, 0), (HALF, HEIGHT, 0), (HALF, HEIGHT, near[1]), (-HALF, HEIGHT, near[0])]
        self._fill([self._project(ceiling)], mix(self.wall, WHITE, 0.7), "ceiling")
        self._fill([self._project(ceiling)], (0.86, 0.86, 0.89), fade=Fade((0, top), (0, top - 0.3)), gain=True)
        self.floor = self._project([(x, 0, z) for x, _, z in ceiling])
        self._floor(near)
        self._fill([self.floor], (0.80, 0.78, 0.80), fade=Fade((0, bottom - 0.05), (0, bottom + 0.2)), gain=True)

    def _floor(self, near: list[float]) -> None:
        f = self.f
        colour = tone(FLOORS[f.floor], 1 + 0.07 * f.floor_tone)
        self._fill([self.floor], colour, "floor")
        if f.floor == "tiles":
            cells = [(i, j) for i in range(-3, 3) for j in range(6) if (i + j) % 2]
            squares = [self._level(i * 0.75, i * 0.75 + 0.75, j * 0.75, j * 0.75 + 0.75, 0) for i, j in cells]
            self._fill(squares, tone(colour, 0.82))
            return
        boards = 9
        for first, shade in ((0, 0.90), (1, 1.07)):  # every third board darker, every third lighter
            strips = []
            for board in range(first, boards, 3):
                x0, x1 = (-HALF + 2 * HALF * (board + end) / boards for end in (0, 1))
                z0, z1 = (near[0] + (near[1] - near[0]) * (x + HALF) / (2 * HALF) for x in (x0, x1))
                strips.append(self._project([(x0, 0, 0), (x1, 0, 0), (x1, 0, z1), (x0, 0, z0)]))
            self._fill(strips, tone(colour, shade))

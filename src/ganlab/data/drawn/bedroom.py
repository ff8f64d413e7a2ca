"""A bedroom: furniture, windows and pictures, their colours and light."""

import math

from ganlab.data.drawn.drawing import FRAME, Colour, Fade, Shape, ellipse, mix, smooth, tone
from ganlab.data.drawn.room import HALF, KINDS, WHITE, Room
from ganlab.data.drawn.scene_factors import BEDS

ZENITH: dict[str, Colour] = {"day": (0.42, 0.70, 0.95), "sunset": (0.50, 0.42, 0.68), "night": (0.07, 0.10, 0.26)}
HORIZON: dict[str, Colour] = {"day": (0.86, 0.95, 1.0), "sunset": (1.0, 0.66, 0.38), "night": (0.20, 0.28, 0.52)}
HILLS: dict[str, Colour] = {"day": (0.47, 0.70, 0.40), "sunset": (0.42, 0.30, 0.38), "night": (0.05, 0.09, 0.16)}
SUN: dict[str, Colour] = {"day": (1.0, 0.97, 0.76), "sunset": (1.0, 0.90, 0.55), "night": (0.97, 0.96, 0.86)}
BEAM: dict[str, Colour] = {"day": (1.22, 1.19, 1.08), "sunset": (1.42, 1.16, 0.92), "night": (1.12, 1.18, 1.30)}
WOOD: Colour = (0.62, 0.43, 0.29)
ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


class Bedroom(Room):
    """A room with its furniture, windows and light."""

    def draw(self) -> list[Shape]:
        f = self.f
        self._shell()
        places = [(-1.42, 0.0, 1.42)[place] for place in ORDERS[min(int((f.arrangement + 1) * 3), 5)]]
        windows = {"none": 0, "one": 1, "two": 2}[f.windows]
        if f.rug == "present":
            self._rug()
        for number in range(windows):
            self._beam(places[number])
        for number in range(windows):
            self._window(places[number] + 0.1 * f.window_x, KINDS.index("window_1") + number)
        if f.picture != "none":
            self._picture(places[2] + 0.15 * f.picture_x)
        if f.plant == "present":
            self._plant()
        lamp = self._lamp() if f.lamp != "none" else []
        if f.bed != "none":
            self._bed()
        self._fill([FRAME], self.ambience, gain=True)
        self.shapes += lamp
        return self.shapes

    def _hue(self, number: float) -> Colour:  # of a bed, for a number in [-1, 1]
        return list(BEDS.values())[min(int((number + 1) / 2 * len(BEDS)), len(BEDS) - 1)]

    def _rug(self) -> None:
        f = self.f
        x, z, rx, rz = -self.side * (0.75 + 0.25 * f.rug_x), 1.75, 0.95 + 0.2 * f.rug_size, 0.75 + 0.1 * f.rug_size
        colour = mix(tone(self._hue(f.rug_hue), 1.05), WHITE, 0.35)
        for share, paint in ((1.0, colour), (0.84, mix(colour, WHITE, 0.6)), (0.72, colour)):
            circle = ellipse(0, 0, rx * share, rz * share).tolist()
            self._fill([self._project((x + a, 0.01, z + b) for a, b in circle)], paint, "rug")

    def _beam(self, x: float) -> None:
        """Paint the light of a window's four panes on the floor."""
        f = self.f
        x, half, low, high = x + 0.1 * f.window_x, *self._opening()
        middle, slant = (low + high) / 2, 0.25 + 0.6 * f.sun
        panes = [
            self._project(
                (max(-HALF, min(HALF, a + y * slant)), 0.012, 0.85 * y)
                for a, y in ((a0, y0), (a1, y0), (a1, y1), (a0, y1))
            )
            for a0, a1 in ((x - half + 0.05, x - 0.04), (x + 0.04, x + half - 0.05))
            for y0, y1 in ((low + 0.05, middle - 0.03), (middle + 0.03, high - 0.05))
        ]
        self._fill(panes, BEAM[f.sky], gain=True)

    def _opening(self) -> tuple[float, float, float]:
        """Return half the width, the sill's height and the top of every window."""
        f = self.f
        return 0.50 + 0.08 * f.window_size, 1.08 + 0.08 * f.window_y, 2.22 + 0.08 * f.window_y + 0.08 * f.window_size

    def _window(self, x: float, kind: int) -> None:
        f = self.f
        half, low, high = self._opening()
        glow = tuple(1 / part for part in self.ambience)  # undoes the room's ambience: the sky shines by itself

        def shining(colour: Colour) -> Colour:
            return colour[0] * glow[0], colour[1] * glow[1], colour[2] * glow[2]

        frame = mix(self.wall, (1.0, 1.0, 1.0), 0.85)
        self._fill([self._upright(x - half - 0.07, x + half + 0.07, low - 0.07, high + 0.07, 0.01)], frame, kind)
        glass = self._upright(x - half, x + half, low, high, 0.01)
        self._fill([glass], shining(ZENITH[f.sky]), kind)
        base, top = self._point(x, low, 0.01), self._point(x, high, 0.01)
        self._fill([glass], shining(HORIZON[f.sky]), fade=Fade((base[0], base[1] - 0.02), (base[0], top[1])))
        disc = self._point(x + half * 0.45 * (1 if f.sun < 0 else -1), high - 0.32, 0.01)
        radius = 0.15 * self._scale(x, 0)
        self._fill([ellipse(*disc, radius * self.cos, radius, 20)], shining(SUN[f.sky]))
        ridge = [(t / 8, 0.25 + 0.09 * math.sin(5 * t / 8 + 3 * f.arrangement + 2 * f.sun + kind)) for t in range(9)]
        hills = [(x - half + 2 * half * t, low + (high - low) * y, 0.01) for t, y in ridge]
        outline = [(x + half, low, 0.01), (x - half, low, 0.01), *hills]
        self._fill([self._project(outline)], shining(HILLS[f.sky]))
        middle = (low + high) / 2
        self._fill([self._upright(x - 0.03, x + 0.03, low, high, 0.02)], frame)
        self._fill([self._upright(x - half, x + half, middle - 0.03, middle + 0.03, 0.02)], frame)
        self._box(x - half - 0.12, x + half + 0.12, low - 0.13, low - 0.07, 0, 0.12, frame, KINDS[kind])
        if f.curtains == "present":
            self._curtains(x, half, low - 0.25, high + 0.14, kind)

    def _curtains(self, x: float, half: float, low: float, high: float, kind: int) -> None:
        cloth = mix(self._hue(self.f.curtain_hue), WHITE, 0.45)
        for side in (-1, 1):
            outer, inner = x + side * (half + 0.16), x + side * half * 0.62
            waist = x + side * half * 0.80
            panel = [(outer, low, 0.06), (waist, low, 0.06), (waist, low + 0.45, 0.06), (inner, high, 0.06)]
            self._fill([self._project([*panel, (outer, high, 0.06)])], cloth, kind)
            folds = []
            for share in (0.15, 0.55):
                a, b = outer + share * (waist - outer), outer + share * (inner - outer)
                c, d = a + 0.2 * (waist - outer), b + 0.2 * (inner - outer)
                folds.append(self._project([(a, low, 0.06), (c, low, 0.06), (d, high, 0.06), (b, high, 0.06)]))
            self._fill(folds, tone(cloth, 0.86))
        self._fill([self._upright(x - half - 0.2, x + half + 0.2, high - 0.01, high + 0.04, 0.07)], WOOD, kind)

    def _picture(self, x: float) -> None:
        f = self.f
        half = 0.36 + 0.06 * f.picture_size
        y0, y1 = 1.70 - half * 1.1, 1.70 + half * 1.1
        frame = WOOD if f.picture == "landscape" else (0.22, 0.22, 0.26)
        shadow = self._upright(x - half + 0.04, x + half + 0.05, y0 - 0.06, y1 - 0.04, 0)
        self._fill([shadow], (0.8, 0.8, 0.82), gain=True)
        self._fill([self._upright(x - half, x + half, y0, y1, 0.02)], frame, "picture")
        self._fill([self._upright(x - half + 0.06, x + half - 0.06, y0 + 0.06, y1 - 0.06, 0.02)], WHITE)
        if f.picture == "landscape":
            inner = half - 0.12
            self._fill([self._upright(x - inner, x + inner, y0 + 0.12, y1 - 0.12, 0.02)], (0.98, 0.80, 0.55))
            near = [(x - inner, y0 + 0.12), (x + inner, y0 + 0.12), (x + inner, 1.66)]
            near += [(x + 0.1, 1.56), (x - inner, 1.76)]
            peak = [(x - inner, 1.66), (x - 0.06, 1.92), (x + 0.06, 1.76), (x + 0.15, 1.84), (x + inner, 1.62)]
            self._fill([self._project((a, b, 0.02) for a, b in peak)], (0.50, 0.55, 0.70))
            self._fill([self._project((a, b, 0.02) for a, b in near)], (0.30, 0.48, 0.42))
        else:
            discs = ((-0.09, 0.07, 0.17, (0.88, 0.36, 0.28)), (0.10, -0.02, 0.13, (0.95, 0.75, 0.30)))
            for dx, dy, radius, colour in (*discs, (-0.04, -0.16, 0.10, (0.20, 0.42, 0.55))):
                circle = ellipse(x + dx, 1.70 + dy, radius, radius, 20).tolist()
                self._fill([self._project((a, b, 0.02) for a, b in circle)], colour)

    def _plant(self) -> None:
        f = self.f
        x, z, tall = -self.side * (1.62 + 0.15 * f.plant_x), 0.42, 0.85 + 0.15 * f.plant_size
        self._shadow(x, z, 0.5, 0.4)
        scale = self._scale(x, z)
        u, v = self._point(x, 0.35, z)
        for turn, length, shade in ((-62, 0.75, 0.8), (58, 0.8, 0.8), (-30, 0.95, 0.95), (30, 0.9, 1.1), (2, 1.0, 1.0)):
            angle = math.radians(turn)
            along, wide = length * tall * scale, 0.11 * scale
            leaf = []
            for t, width in ((0, 0.15), (0.4, 1.0), (0.75, 0.8), (1, 0), (0.75, -0.8), (0.4, -1.0), (0, -0.15)):
                a, b = t * along, width * wide
                leaf.append(
                    (u + a * math.sin(angle) + b * math.cos(angle), v - a * math.cos(angle) + b * math.sin(angle))
                )
            self._fill([smooth(leaf, 3)], tone((0.30, 0.55, 0.34), shade), "plant")
        pot = [(-0.22, 0.42), (0.22, 0.42), (0.16, 0), (-0.16, 0)]
        foot = self._point(x, 0, z)
        self._fill([[(foot[0] + a * scale, foot[1] - b * scale) for a, b in pot]], (0.85, 0.52, 0.38), "plant")
        rim = [(-0.24, 0.46), (0.24, 0.46), (0.24, 0.38), (-0.24, 0.38)]
        self._fill([[(foot[0] + a * scale, foot[1] - b * scale) for a, b in rim]], (0.91, 0.60, 0.45), "plant")

    def _lamp(self) -> list[Shape]:
        """Paint a floor lamp; return its light, painted after the room's ambience."""
        f = self.f
        x, z, tall = -self.side * (0.62 + 0.42 * f.lamp_x), 0.45, 1.32 + 0.12 * f.lamp_height
        self._shadow(x, z, 0.4, 0.3)
        scale, (u, v) = self._scale(x, z), self._point(x, 0, z)
        metal = (0.32, 0.28, 0.28)
        self._fill([ellipse(u, v, 0.17 * scale, 0.06 * scale, 20)], metal, "lamp")
        pole = [(u - 0.028 * scale, v), (u + 0.028 * scale, v)]
        self._fill([[*pole, *((a, v - tall * scale) for a, _ in reversed(pole))]], metal, "lamp")
        top, low = v - (tall + 0.2) * scale, v - (tall - 0.2) * scale
        shade = [(u - 0.19 * scale, top), (u + 0.19 * scale, top), (u + 0.31 * scale, low), (u - 0.31 * scale, low)]
        self._fill([shade], (0.93, 0.84, 0.66), "lamp")
        self._fill([shade], (0.82, 0.80, 0.80), fade=Fade((u + 0.31 * scale, low), (u - 0.2 * scale, low)), gain=True)
        if f.lamp == "off":
            return []
        middle = (u, (top + low) / 2)
        strength = {"day": 0.16, "sunset": 0.45, "night": 1.0}[f.sky]
        light = mix((1, 1, 1), (2.3, 1.85, 1.2), strength)
        lights = [Shape((FRAME,), light, fade=Fade(middle, (0.62, 0.62), True), gain=True)]
        halo = Fade(middle, (0.2, 0.2), True)
        lights.append(Shape((FRAME,), (1.0, 0.88, 0.58), 0.25 + 0.2 * strength, halo))
        return [
            *lights,
            Shape((shade,), (1.0, 0.95, 0.74), 1.0),
            Shape((shade,), (1.0, 0.80, 0.45), 0.7, Fade((u, top), (u, low))),
        ]

    def _bed(self) -> None:
        f = self.f
        x = self.side * (1.12 + 0.12 * f.bed_x)
        half, length = 0.80 + 0.08 * f.bed_size, 1.95 + 0.15 * f.bed_size
        cloth = tone(BEDS[f.bed_colour], 1 + 0.08 * f.bed_tone)
        self._shadow(x, length / 2, half + 0.75, length / 2 + 0.75, 0.35)
        left, right = x - half, x + half
        self._headboard(x, half)
        self._box(left + 0.04, right - 0.04, 0.10, 0.30, 0.1, length, WOOD, "bed")
        self._box(left, right, 0.28, 0.50, 0.1, length, WHITE, "bed")
        for centre in (x - half * 0.48, x + half * 0.48):
            self._pillow(centre, half * 0.40)
        self._box(left - 0.03, right + 0.03, 0.20, 0.55, 0.78, length + 0.03, cloth, "bed")
        self._band(left, right, 0.66, 0.94, mix(cloth, WHITE, 0.65))
        self._band(left, right, length * 0.72, length * 0.88, tone(cloth, 0.72))

    def _headboard(self, x: float, half: float) -> None:
        top = 1.02
        outline = [(-half, 0.1), (half, 0.1), (half, top - 0.16), (half - 0.05, top - 0.05), (half - 0.18, top)]
        outline += [(-a, b) for a, b in reversed(outline[2:])]
        for z, shade in ((0.0, 0.7), (0.09, 0.95)):
            self._fill([self._project((x + a, b, z) for a, b in outline)], tone(WOOD, shade), "bed")
        panel = [(x + a * 0.86, 0.1 + (b - 0.1) * 0.9, 0.09) for a, b in outline]
        self._fill([self._project(panel)], tone(WOOD, 1.12))

    def _pillow(self, x: float, half: float) -> None:
        corners = [(-1, 0), (-0.5, -0.08), (0.5, -0.08), (1, 0), (0.93, 0.5)]
        corners += [(1, 1), (0.4, 1.06), (-0.4, 1.06), (-1, 1), (-0.93, 0.5)]
        outline = [(x + half * a, 0.50 + 0.30 * b, 0.50 - 0.28 * b) for a, b in corners]
        contour = smooth(self._project(outline), 3)
        self._fill([contour], (0.96, 0.95, 0.93), "bed")
        low, high = self._point(x, 0.48, 0.5), self._point(x, 0.70, 0.3)
        self._fill([contour], (0.80, 0.80, 0.86), fade=Fade(low, (low[0], high[1])), gain=True)

    def _band(self, left: float, right: float, z0: float, z1: float, colour: Colour) -> None:
        """Paint a strip of cloth across the blanket and down its visible side."""
        if self.eye[0] < left:
            self._fill([self._across(left - 0.03, z0, z1, 0.20, 0.55)], tone(colour, 0.80))
        elif self.eye[0] > right:
            self._fill([self._across(right + 0.03, z0, z1, 0.20, 0.55)], tone(colour, 0.80))
        self._fill([self._level(left - 0.03, right + 0.03, z0, z1, 0.55)], tone(colour, 1.06))

"""Head and shoulders of a person who turns from left to right, as flat shapes for ``drawing.paint``."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ganlab.data.drawn.drawing import FRAME, Colour, Fade, Painting, Points, Shape, ellipse, mix, smooth, tone
from ganlab.data.drawn.portrait_factors import BACKGROUNDS, CLOTHES, HAIRS, SKINS, PortraitFactors

KINDS = ("background", "clothes", "skin", "face", "hair", "left_eye", "right_eye", "nose", "mouth", "glasses")

WHITE: Colour = (0.98, 0.97, 0.96)
LIP: Colour = (0.80, 0.36, 0.36)
TURN = math.radians(36)  # of the head at pose 1
EYE = 0.42  # longitude of the eyes on the turning sphere of features: radians, 0 in the middle of the face
OUTLINE = ((0.0, -1.0), (0.55, -0.86), (0.92, -0.42), (0.97, 0.05), (0.88, 0.42), (0.62, 0.78), (0.24, 0.99))


class Head(Painting):
    """Head, shoulders and background."""

    kinds = KINDS

    def __init__(self, factors: PortraitFactors) -> None:
        super().__init__()
        self.f = f = factors
        self.angle = f.pose * TURN
        self.sin = math.sin(self.angle)
        size = 1 + 0.06 * f.head_size
        self.rx, self.ry = 0.222 * size * (1 + 0.05 * f.face_width), 0.275 * size
        self.x, self.y = 0.5 + 0.03 * f.head_x, 0.47 + 0.02 * f.head_y
        roll = math.radians(4 * f.tilt)
        self.roll_sin, self.roll_cos = math.sin(roll), math.cos(roll)
        self.skin = tone(SKINS[f.skin], 1 + 0.04 * f.skin_tone)
        self.hair = tone(HAIRS[f.hair_colour], 1 + 0.08 * f.hair_tone)
        self.smiling = f.smile == "smile"

    def draw(self) -> list[Shape]:
        f = self.f
        backdrop = tone(BACKGROUNDS[f.background], 1 + 0.03 * f.background_tone)
        self._fill([FRAME], backdrop, "background")
        self._fill([FRAME], mix(backdrop, (1, 1, 1), 0.55), fade=Fade((0.5 - 0.2 * f.light, 0.35), (0.6, 0.6), True))
        self._back_hair()
        self._body()
        if f.hair != "long":
            self._ears(near=False)
        self._face()
        for side in (-1, 1):
            self._eye(side)
        self._nose()
        self._mouth()
        if f.glasses == "present":
            self._glasses()
        self._front_hair()
        if f.hair != "long":
            self._ears(near=True)
        return self.shapes

    def _place(self, u: float, v: float) -> tuple[float, float]:
        """Return the image point of (u, v), in half widths and half heights of the head, with the head's roll."""
        a, b = u * self.rx, (v - 1) * self.ry  # v is -1 at the top of the skull, 1 at the chin
        return self.x + a * self.roll_cos - b * self.roll_sin, self.y + self.ry + a * self.roll_sin + b * self.roll_cos

    def _places(self, points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
        return [self._place(u, v) for u, v in points]

    def _on_face(self, longitude: float, v: float, lift: float = 0.94) -> tuple[float, float]:
        """Return (u, v) of a point on the face at distance ``lift`` from the axis of rotation."""
        return lift * math.sin(longitude + self.angle) + 0.10 * self.sin, v

    def _patch(self, longitude: float, v: float, wide: float, high: float, lift: float = 0.94) -> np.ndarray:
        """Return the contour of an ellipse on the face, which turns with it."""
        turned, heights = ellipse(longitude + self.angle, v, wide, high, 20).T
        across, down = (lift * np.sin(turned) + 0.10 * self.sin) * self.rx, (heights - 1) * self.ry
        x = self.x + across * self.roll_cos - down * self.roll_sin
        return np.stack([x, self.y + self.ry + across * self.roll_sin + down * self.roll_cos], 1)

    def _body(self) -> None:
        f = self.f
        cloth = CLOTHES[f.clothes]
        x, chin = self.x, self.y + self.ry
        neck = 0.095 + 0.008 * f.face_width
        column = [(x - neck, chin - 0.12), (x + neck, chin - 0.12), (x + neck + 0.01, chin + 0.2)]
        column.append((x - neck - 0.01, chin + 0.2))
        self._fill([column], tone(self.skin, 0.90), "skin")
        self._fill([column], (0.74, 0.68, 0.68), fade=Fade((x, chin - 0.02), (x, chin + 0.09)), gain=True)
        wide, top = 0.39 + 0.03 * f.shoulders, chin + 0.055
        right = [(neck + 0.01, top), (wide * 0.62, top + 0.045), (wide * 0.92, top + 0.13), (wide + 0.03, 1.15)]
        low = [(0.06, top + 0.075), (0.0, top + 0.095), (-0.06, top + 0.075)]
        torso = [(x + a, b) for a, b in [*((-a, b) for a, b in right), *reversed(right), *low]]
        self._fill([smooth(torso, 4)], cloth, "clothes")
        self._fill([smooth(torso, 4)], (0.78, 0.76, 0.80), fade=Fade((x + 0.45 * f.light, 1.0), (x, 0.8)), gain=True)

    def _outline(self) -> np.ndarray:
        """Return the contour of the face; chin and cheeks lead the turn."""
        half = [*OUTLINE, *((-u, v) for u, v in reversed(OUTLINE[1:]))]
        jaw = 1 + 0.07 * self.f.jaw
        points = [(u * (jaw if v > 0.3 else 1) + self.sin * (0.06 + 0.20 * max(v, 0.0)), v) for u, v in half]
        return smooth(self._places(points), 4)

    def _face(self) -> None:
        outline = self._outline()
        self._fill([outline], self.skin, "face")
        side = 1 if self.f.light < 0 else -1  # the side in shade
        here, there = self._place(side * 1.1, 0.3), self._place(-side * 0.5, 0.1)
        shade = mix((1, 1, 1), (0.76, 0.70, 0.72), 0.4 + 0.6 * abs(self.f.light))
        self._fill([outline], shade, fade=Fade(here, there), gain=True)
        for longitude in (-0.66, 0.66):
            u, v = self._on_face(longitude, 0.36)
            cheek = Fade(self._place(u, v), (self.rx * 0.34, self.ry * 0.26), True)
            self._fill([outline], (1.0, 0.80, 0.78), None, 0.9 if self.smiling else 0.5, cheek, True)

    def _ears(self, near: bool) -> None:
        for side in (-1, 1):
            turned = side * math.pi / 2 + self.angle
            if (math.cos(turned) > 0.12) == near:
                u = 0.98 * math.sin(turned) + 0.02 * side
                ear = ellipse(*self._place(u, 0.08), self.rx * 0.16, self.ry * 0.19, 20)
                self._fill([ear], tone(self.skin, 0.93), "skin")
                inner = ellipse(*self._place(u, 0.09), self.rx * 0.08, self.ry * 0.11, 16)
                self._fill([inner], tone(self.skin, 0.78))

    def _eye(self, side: int) -> None:
        f = self.f
        v, wide = 0.02 + 0.03 * f.eye_y, 0.20 + 0.02 * f.eye_size
        high = (0.105 + 0.012 * f.eye_size) * (0.85 if self.smiling else 1)
        kind = "left_eye" if side < 0 else "right_eye"
        lid = mix(tone(self.skin, 0.5), self.hair, 0.4)
        self._fill([self._patch(side * EYE, v - 0.02, wide * 1.08, high * 1.15)], lid, kind)
        self._fill([self._patch(side * EYE, v, wide, high)], WHITE, kind)
        iris = mix((0.24, 0.16, 0.12), (0.22, 0.45, 0.56), (f.eye_hue + 1) / 2)
        self._fill([self._patch(side * EYE, v, 0.105, high * 0.96)], iris, kind)
        self._fill([self._patch(side * EYE, v, 0.055, high * 0.52)], (0.06, 0.05, 0.07), kind)
        self._fill([self._patch(side * EYE + 0.04, v - 0.035, 0.028, 0.026)], (1, 1, 1), kind)
        up = -0.25 - 0.03 * f.brow - (0.03 if self.smiling else 0)
        arch = [(-0.24, 0.04), (-0.05, -0.045), (0.22, 0.02), (0.23, 0.065), (-0.03, 0.02), (-0.23, 0.07)]
        brow = [self._on_face(side * (EYE + 0.02 - a), v + up + b) for a, b in arch]
        self._fill([smooth(self._places(brow), 3)], mix(tone(self.hair, 0.75), self.skin, 0.12))

    def _nose(self) -> None:
        wide, tip = 0.17 + 0.02 * self.f.nose_size, 0.34 + 0.03 * self.f.nose_size
        side = 1 if self.f.light < 0 else -1
        bridge, point = self._on_face(0, 0.0, 0.96), self._on_face(0, tip - 0.03, 1.14)
        wing = self._on_face(side * wide, tip + 0.01, 1.02)
        self._fill([self._places([bridge, point, wing])], tone(self.skin, 0.86), "nose")
        ball = [(-1, 0.0), (-0.55, -0.075), (0, -0.10), (0.55, -0.075), (1, 0.0), (0.5, 0.05), (0, 0.065), (-0.5, 0.05)]
        contour = [self._on_face(a * wide, tip + b, 1.14 - 0.12 * abs(a)) for a, b in ball]
        self._fill([smooth(self._places(contour), 3)], tone(mix(self.skin, (0.9, 0.45, 0.4), 0.16), 0.95), "nose")
        self._fill([self._patch(0.0, tip - 0.05, 0.05, 0.035, 1.14)], mix(self.skin, (1, 1, 1), 0.5))

    def _mouth(self) -> None:
        f = self.f
        v, lip = 0.62 + 0.02 * f.mouth_y, mix(LIP, tone(self.skin, 0.7), 0.35)
        if not self.smiling:
            wide = 0.36 + 0.03 * f.mouth_width
            lips = [(-1, 0), (-0.4, -0.06), (0, -0.04), (0.4, -0.06), (1, 0), (0.5, 0.08), (0, 0.10), (-0.5, 0.08)]
            self._fill([self._curve(lips, wide, v)], lip, "mouth")
            line = [(-1, -0.005), (0, 0.012), (1, -0.005), (0, 0.03)]
            self._fill([self._curve(line, wide, v)], tone(lip, 0.55), "mouth")
            return
        wide = 0.47 + 0.03 * f.mouth_width
        upper = [(-1, -0.09), (-0.5, -0.02), (0, -0.005), (0.5, -0.02), (1, -0.09)]
        self._fill([self._curve([*upper, (0.62, 0.12), (0, 0.20), (-0.62, 0.12)], wide * 1.05, v)], lip, "mouth")
        inside = self._curve([*upper, (0.6, 0.09), (0, 0.155), (-0.6, 0.09)], wide * 0.94, v)
        self._fill([inside], (0.42, 0.12, 0.14), "mouth")
        self._fill([self._curve([*upper, (0.6, 0.045), (0, 0.075), (-0.6, 0.045)], wide * 0.88, v)], WHITE, "mouth")

    def _curve(self, points: Sequence[tuple[float, float]], wide: float, v: float) -> np.ndarray:
        return smooth(self._places(self._on_face(a * wide, v + b) for a, b in points), 3)

    def _glasses(self) -> None:
        f = self.f
        v, colour = 0.03 + 0.03 * f.eye_y, mix((0.12, 0.11, 0.14), (0.55, 0.20, 0.15), max(0.0, f.frame_hue))
        rings: list[Points] = []
        for side in (-1, 1):
            rings += [
                self._patch(side * EYE, v, 0.345, 0.235, 1.03),
                self._patch(side * EYE, v, 0.265, 0.175, 1.03)[::-1],
            ]
            self._fill([self._patch(side * EYE, v, 0.30, 0.20, 1.03)], (0.86, 0.94, 1.0), None, 0.10)
        self._fill(rings, colour, "glasses")
        bridge = [(-0.10, -0.06), (0.10, -0.06), (0.10, 0.0), (-0.10, 0.0)]
        self._fill([self._places(self._on_face(a, v + b, 1.05) for a, b in bridge)], colour, "glasses")
        for side in (-1, 1):
            if side * self.angle < 0.1:  # the temple is visible on the side that turns towards the camera
                hinge, ear = self._on_face(side * (EYE + 0.31), v, 1.03), side * 1.52
                end = (0.98 * math.sin(ear + self.angle), v)
                arm = [(hinge[0], v - 0.075), (end[0], v - 0.05), (end[0], v + 0.01), (hinge[0], v + 0.0)]
                self._fill([self._places(arm)], colour, "glasses")

    def _back_hair(self) -> None:
        volume, lean = 1.10 + 0.05 * self.f.hair_volume, -0.12 * self.sin
        dark = tone(self.hair, 0.78)
        if self.f.hair == "bun":
            u, v = self._place(lean * 3.2, -1.22)
            bun = ellipse(u, v, self.rx * 0.46, self.rx * 0.44)
            self._fill([bun], dark, "hair")
            self._fill([bun], (1.3, 1.28, 1.25), fade=Fade((u, v - 0.05), (0.09, 0.07), True), gain=True)
        if self.f.hair == "long":
            length = 1.55 + 0.15 * self.f.hair_length
            half = [(0, -1.08), (0.7, -0.92), (1.12, -0.4), (1.2, 0.3), (1.28, 0.9), (1.2, length), (0.5, length - 0.1)]
            points = [*half, *((-u, v) for u, v in reversed(half[1:]))]
            self._fill([smooth(self._places((u * volume + lean, v) for u, v in points), 4)], dark, "hair")
            return
        angles = np.linspace(0, 2 * math.pi, 33)[:-1].tolist()
        cap = [(volume * math.cos(a) + lean, -0.22 + 0.88 * math.sin(a)) for a in angles]
        self._fill([self._places(cap)], dark, "hair")

    def _front_hair(self) -> None:
        f = self.f
        volume, lean = 1.10 + 0.05 * f.hair_volume, -0.12 * self.sin
        part = 0.5 if f.parting > 0 else -0.5
        line = []  # the hairline, from the left temple to the right one
        for step in range(13):
            longitude = -1.2 + 0.2 * step
            shown = max(-1.45, min(1.45, longitude + self.angle)) - self.angle
            away = abs(shown - part)
            v = -0.62 + 0.16 * min(away, 0.9) ** 1.5 + 0.06 * f.fringe + 1.3 * max(0.0, abs(shown) - 0.7) ** 2
            u = self._on_face(shown, v, 0.97)[0]
            line.append((max(min(u, 0.97 * volume + lean), -0.97 * volume + lean), v))
        arc = [(volume * math.cos(a) + lean, -0.22 - 0.90 * math.sin(a)) for a in np.linspace(0, math.pi, 21).tolist()]
        left, right = self._side(-1, line[0][0], volume, lean)[::-1], self._side(1, line[-1][0], volume, lean)
        contour = np.array(self._places([*line, *right, *arc, *left]))
        self._fill([contour], self.hair, "hair")
        glint = Fade(self._place(lean - 0.35 * f.light, -0.78), (self.rx * 0.75, self.ry * 0.24), True)
        self._fill([contour], (1.20, 1.18, 1.15), fade=glint, gain=True)
        self._fill([contour], (0.80, 0.78, 0.80), fade=Fade(self._place(0, 0.9), self._place(0, -0.4)), gain=True)

    def _side(self, side: int, temple: float, volume: float, lean: float) -> list[tuple[float, float]]:
        """Return the contour of the front hair at a side, from the hairline at ``temple`` to the arc of the skull."""
        f = self.f
        far = max(0.0, side * self.sin / math.sin(TURN))  # 1 where this side has turned away
        edge = side * volume + lean
        if f.hair == "long":
            length = 1.45 + 0.15 * f.hair_length
            inner = temple + side * 0.04 * (1 - far)
            lock = [(inner, 0.3), (inner + 0.03 * side, 0.8), (edge * 0.94, length - 0.12)]
            return [*lock, (edge * 1.04, length), (edge + 0.12 * side, 0.6), (edge + 0.04 * side, 0.1)]
        burn = (0.12 if f.hair == "short" else -0.12) - 0.5 * far
        return [(temple + side * 0.04 * (1 - far), burn), (edge * (0.98 - 0.02 * far), burn - 0.1)]

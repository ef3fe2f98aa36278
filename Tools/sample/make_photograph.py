"""Makes the demo's photograph, Graphs/sample/astronaut.png.

The source is NASA's portrait of Eileen Collins (1999), in the public domain as a work of the United States
government, as the Python package scikit-image ships it (`pip install scikit-image`).

    python Tools/sample/make_photograph.py Graphs/sample/astronaut.png
"""

import sys

from PIL import Image
from skimage import data

image = Image.fromarray(data.astronaut()).resize((256, 256), Image.LANCZOS)
image.save(sys.argv[1], optimize=True)

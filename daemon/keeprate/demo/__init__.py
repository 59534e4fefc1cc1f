"""See keeprate work: sample photos, and the main job from start to end as a user would do it.

Uses keeprate only from outside, through its command line; nothing in here touches anything but the demo's folder.
"""

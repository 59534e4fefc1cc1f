"""Labels: who said what of which photo, from where; doubts about them; from and to files."""

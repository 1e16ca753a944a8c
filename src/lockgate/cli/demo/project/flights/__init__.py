"""Will this flight out of New York land more than 15 minutes late? A real year, asked an hour before departure."""
